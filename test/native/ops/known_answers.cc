// Values that do not come from our own reference: published vectors, and numbers worked out by hand.
#include <cmath>
#include <cstdio>

#include "core/ops.gen.h"
#include "core/rng.h"
#include "draw.h"
#include "ops/activation.h"

namespace {

int failures = 0;

void check(bool good, const char* what) {
  if (good) return;
  ++failures;
  std::printf("FAILED %s\n", what);
}

void check_near(double got, double want, double limit, const char* what) {
  if (std::fabs(got - want) <= limit) return;
  ++failures;
  std::printf("FAILED %s: %.17g, should be %.17g\n", what, got, want);
}

// The known-answer vectors of Random123 (Salmon et al. 2011) for philox4x32 with 10 rounds.
void philox_vectors() {
  struct Vector {
    ht::Philox4 counter;
    ht::PhiloxKey key;
    uint32_t want[4];
  };
  const Vector vectors[] = {
      {{{0, 0, 0, 0}}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Vector& v : vectors) {
    const ht::Philox4 got = ht::philox4x32(v.counter, v.key);
    for (int i = 0; i < 4; ++i) check(got.word[i] == v.want[i], "philox4x32-10 vector");
  }
  check(ht::uniform53(0, 0) == 0.0, "smallest uniform");
  check(ht::uniform53(0xffffffff, 0xffffffff) == 1.0 - std::ldexp(1.0, -53), "largest uniform");
}

void bf16_rounding() {
  check(ht::float_to_bf16(1.00390625f) == 0x3f80, "a tie goes to the even number below");
  check(ht::float_to_bf16(1.01171875f) == 0x3f82, "a tie goes to the even number above");
  check(ht::float_to_bf16(3.4e38f) == 0x7f80, "beyond the largest is infinity");
  check(ht::bf16_to_float(ht::float_to_bf16(std::nanf(""))) != ht::bf16_to_float(ht::float_to_bf16(std::nanf(""))), "NaN stays NaN");
}

// gelu_new(1) = 0.5 (1 + tanh(0.7978845608 * 1.044715)); derivatives against central differences.
void activations() {
  using ht::Activation;
  check_near(ht::activate(Activation::GeluNew, 1.0), 0.84119199060827680, 1e-15, "gelu_new(1)");
  check_near(ht::activate(Activation::GeluNew, -1.0), -0.15880800939172324, 1e-15, "gelu_new(-1)");
  check_near(ht::activate(Activation::GeluNew, 3.0), 2.9963626079182270, 1e-15, "gelu_new(3)");
  check_near(ht::activate(Activation::Sigmoid, std::log(3.0)), 0.75, 1e-15, "sigmoid(ln 3)");
  check(ht::activate(Activation::Relu, -2.0) == 0 && ht::activate(Activation::Relu, 2.0) == 2, "relu");
  for (int kind = 0; kind < 4; ++kind) {
    for (double x = -4.05; x < 4; x += 0.3) {
      const auto f = static_cast<Activation>(kind);
      const double slope = (ht::activate(f, x + 1e-6) - ht::activate(f, x - 1e-6)) / 2e-6;
      check_near(ht::activate_grad(f, x), slope, 1e-8, "slope of an activation");
    }
  }
}

// Two steps by hand: beta1 1/2, beta2 3/4, eps 0, lr 1/8, weight decay 1/2, gradient 2 then 2 (the scale halves 4).
// m = 1, v = 1, both corrected to 2 and 4: step 1, p = 1 - (1 + 1/2) / 8 = 0.8125.
// m = 1.5, v = 1.75, corrected to 2 and 4: step 1, p = 0.8125 - (1 + 0.40625) / 8 = 0.63671875.
void adamw_by_hand() {
  float param = 1, m = 0, v = 0, grad = 4, gscale = 0.5f;
  float rates[3] = {0.125f, 0.5f, 0.25f};
  const auto tensor = [](float* data, int64_t n) {
    ht::Tensor t;
    t.data = data;
    t.rank = 1;
    t.dim[0] = n;
    return t;
  };
  const ht::Tensor in[] = {tensor(&param, 1), tensor(&m, 1), tensor(&v, 1), ht::Tensor(), tensor(&grad, 1), tensor(rates, 3), tensor(&gscale, 1)};
  ht::Attr attr[5];
  const float values[] = {0.5f, 0.75f, 0.0f, 0.5f, 1.0f};
  for (int i = 0; i < 5; ++i) attr[i].f = values[i];
  const ht::Call call{in, nullptr, attr, nullptr};
  ht::adamw_ref(call);
  check(param == 0.8125f && m == 1.0f && v == 1.0f, "adamw, step 1");
  rates[1] = 0.75f;
  rates[2] = 0.4375f;
  ht::adamw_cpu(call);
  check_near(param, 0.63671875, 1e-7, "adamw, step 2");
  check(m == 1.5f && v == 1.75f, "adamw moments, step 2");
}

// test/ops/cases.test.ts has the same numbers: both runners draw the same data.
void case_data() {
  using namespace ht::cases;
  const auto drawn = [](const char* text) {
    const Case c = parse_case(text, "");
    return Drawer(bind_case(c), {}).inputs();
  };
  const std::vector<Values> rows = drawn("rms_norm T=1 d=3 residual~normal(2,d) residual gain:bf16 gain~uniform(0.5,1.5) seed=3");
  check(rows[0] == Values{-1.1604514122009277, -1.3639559745788574, -1.1703888177871704}, "a normal operand");
  check(rows[1] == Values{-0.13501057028770447, -0.54761070013046265, 0.81064331531524658}, "a scaled operand");
  check(rows[2] == Values{1.4921875, 1.234375, 1.1171875}, "a uniform operand in bf16");
  const std::vector<Values> packed = drawn("prefix_attention Tq=9 Tk=9 R=6 K=6 I=2 heads=2 q_offsets seed=4");
  check(packed[3] == Values{0, 0, 0, 5, 7, 9, 9}, "offsets with empty rows");
}

}  // namespace

int main() {
  philox_vectors();
  bf16_rounding();
  activations();
  adamw_by_hand();
  case_data();
  std::printf(failures ? "known answers: %d failed\n" : "known answers: all passed\n", failures);
  return failures ? 1 : 0;
}
