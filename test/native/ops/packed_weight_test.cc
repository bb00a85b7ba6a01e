// lora_linear with a frozen weight: the packed panels are derived once, used, and follow the weight and the instruction set.
#include <cmath>
#include <vector>

#include "../cpu/check.h"
#include "core/ops.gen.h"
#include "cpu/isa.h"
#include "ops/packed_weight.h"

using namespace ht;

namespace {

constexpr int64_t kTokens = 5, kIn = 37, kOut = 43;

Tensor matrix(std::vector<float>& data, int64_t rows, int64_t cols) {
  Tensor t;
  t.data = data.data();
  t.rank = 2;
  t.dim[0] = rows;
  t.dim[1] = cols;
  return t;
}

std::vector<float> numbers(int64_t count, Random& random) {
  std::vector<float> x(static_cast<size_t>(count));
  for (float& v : x) v = random.uniform();
  return x;
}

struct Layer {
  Random random;
  std::vector<float> x = numbers(kTokens * kIn, random), w = numbers(kOut * kIn, random), dy = numbers(kTokens * kOut, random);
  DerivedCache cache;

  std::vector<float> forward(bool frozen) {
    using O = op::lora_linear;
    std::vector<float> y(kTokens * kOut, NAN);
    std::vector<Tensor> in(O::in_fixed + O::in_group), out = {matrix(y, kTokens, kOut)};
    in[O::x] = matrix(x, kTokens, kIn);
    in[O::w] = matrix(w, kOut, kIn);
    if (frozen) in[O::w].cache = &cache;
    Attr attr[3] = {};
    attr[O::a_n].i = attr[O::a_page_rank].i = 1;
    lora_linear_cpu({in.data(), out.data(), attr, nullptr});
    return y;
  }

  std::vector<float> backward(bool frozen) {
    using O = op::lora_linear_dx;
    std::vector<float> dx(kTokens * kIn, NAN);
    std::vector<Tensor> in(O::in_fixed + O::in_group), out = {matrix(dx, kTokens, kIn)};
    in[O::dy] = matrix(dy, kTokens, kOut);
    in[O::w] = matrix(w, kOut, kIn);
    if (frozen) in[O::w].cache = &cache;
    Attr attr[2] = {};
    attr[O::a_n].i = attr[O::a_page_rank].i = 1;
    lora_linear_dx_cpu({in.data(), out.data(), attr, nullptr});
    return dx;
  }
};

// fp32 sums of about 40 products of numbers below 1, possibly in another order.
void check_close(const std::vector<float>& a, const std::vector<float>& b, const char* what) {
  for (size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) < 2e-5, "%s[%zu]: %g and %g", what, i, a[i], b[i]);
}

void panels_follow_the_weight() {
  Layer layer;
  check_close(layer.forward(true), layer.forward(false), "y");
  check_close(layer.backward(true), layer.backward(false), "dx");
  CHECK(layer.cache.panel[0] && layer.cache.panel[1], "both panels are kept");

  const auto kept = layer.cache.panel[0];
  layer.forward(true);
  CHECK(layer.cache.panel[0] == kept, "the panel is packed once");

  for (float& v : layer.w) v = -v;  // as whoever writes the buffer does it
  layer.cache.clear();
  check_close(layer.forward(true), layer.forward(false), "y of the new weight");
  check_close(layer.backward(true), layer.backward(false), "dx of the new weight");
}

void panels_follow_the_instruction_set() {
  Layer layer;
  const cpu::Isa before = cpu::active_isa();
  for (cpu::Isa isa : cpu::available_isas()) {
    cpu::set_isa(isa);
    check_close(layer.forward(true), layer.forward(false), cpu::isa_name(isa));
    check_close(layer.backward(true), layer.backward(false), cpu::isa_name(isa));
  }
  cpu::set_isa(before);
}

}  // namespace

int main() {
  panels_follow_the_weight();
  panels_follow_the_instruction_set();
  return report("packed_weight");
}
