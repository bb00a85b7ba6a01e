// int8 products: every instruction set of this machine, packed and not, gives the definition bit for bit, whatever the number
// of threads and whatever other rows there are.
#include "cpu/gemm_int8.h"

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "core/int8.h"
#include "cpu/threads.h"

using namespace ht;
using namespace ht::cpu;

namespace {

struct Problem {
  int64_t m, n, k;
  std::vector<float> x, w_scale;
  std::vector<int8_t> w;

  Problem(int64_t m, int64_t n, int64_t k) : m(m), n(n), k(k), x(static_cast<size_t>(m * k)), w_scale(static_cast<size_t>(n)), w(static_cast<size_t>(n * k)) {
    Random random;
    for (float& each : x) each = 4 * random.uniform();
    for (int8_t& each : w) each = static_cast<int8_t>(random.below(255) - 127);
    for (float& each : w_scale) each = 1e-3f * static_cast<float>(1 + random.below(100));
  }

  Matrix weights() const { return Matrix::of(w.data(), DType::I8, n, k); }

  std::vector<float> definition() const {
    std::vector<float> y(static_cast<size_t>(m * n));
    for (int64_t i = 0; i < m; ++i) {
      const float* row = x.data() + i * k;
      const Int8Scale scale = int8_scale(largest_magnitude(row, k));
      for (int64_t j = 0; j < n; ++j) {
        int32_t sum = 0;
        for (int64_t c = 0; c < k; ++c) sum += to_int8(row[c], scale) * w[static_cast<size_t>(j * k + c)];
        y[static_cast<size_t>(i * n + j)] = static_cast<float>(sum) * (scale.scale * w_scale[static_cast<size_t>(j)]);
      }
    }
    return y;
  }

  std::vector<float> product(int64_t first, int64_t rows, bool packed) const {
    std::vector<float> y(static_cast<size_t>(rows * n), -1.0f);
    const PackedB panels = packed ? pack_b(weights().t()) : PackedB();
    const Int8Rows quantized(Matrix::of(x.data() + first * k, DType::F32, rows, k));
    gemm_int8(quantized, weights(), w_scale.data(), MatrixOut::of(y.data(), DType::F32, rows, n), {&panels, {}});
    return y;
  }
};

bool same_bits(const std::vector<float>& a, const float* b) { return a.empty() || !std::memcmp(a.data(), b, a.size() * sizeof(float)); }

void test_problem(const Problem& p, Isa isa) {
  const std::vector<float> want = p.definition();
  const std::string label = std::string(isa_name(isa)) + " " + std::to_string(p.m) + "x" + std::to_string(p.n) + "x" + std::to_string(p.k);
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    for (const bool packed : {false, true}) {
      CHECK(same_bits(p.product(0, p.m, packed), want.data()), "%s, %d threads%s", label.c_str(), threads, packed ? ", packed" : "");
      const int64_t row = p.m / 2;
      CHECK(same_bits(p.product(row, 1, packed), want.data() + row * p.n), "%s, %d threads%s, one row", label.c_str(), threads, packed ? ", packed" : "");
    }
  }
}

}  // namespace

int main() {
  for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {1, 384, 512}, {2, 33, 7}, {3, 64, 64}, {5, 111, 130}, {12, 32, 4}, {13, 40, 1025}, {64, 200, 768}, {200, 97, 300}}) {
    const Problem problem(m, n, k);
    for (const Isa isa : available_isas()) {
      set_isa(isa);
      test_problem(problem, isa);
    }
  }
  return report("gemm_int8");
}
