#ifndef HT_ISA_PASS
// Vec on every instruction set of this machine: accuracy of exp and tanh, conversions, tails, NaN, order of reductions.
#include "cpu/vec.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"

namespace {

const float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

struct Reductions {
  float sum, most, max_nan_left, max_nan_right, min_nan_left, min_nan_right, selected, odd, even;
  int lanes;
};

}  // namespace

#define HT_KERNELS "../test/native/cpu/vec_test.cc"
#include "cpu/each_isa.h"

using namespace ht;
using namespace ht::cpu;

namespace {

// Distance in units of the last place of `exact`; denormals count in their own unit.
double ulps(float got, double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : 1e9;
  const float nearest = static_cast<float>(exact);
  if (std::isinf(nearest) || std::isinf(got)) return nearest == got ? 0 : 1e9;
  int exponent;
  std::frexp(exact, &exponent);
  return std::fabs(got - exact) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

using Kernel = void(const float*, float*, int64_t);

double worst(Kernel* kernel, double (*exact)(double), float low, float high, float& where) {
  constexpr int kCount = 200001;
  std::vector<float> x(kCount), y(kCount);
  for (int i = 0; i < kCount; ++i) x[static_cast<size_t>(i)] = low + (high - low) * (static_cast<float>(i) / (kCount - 1));
  kernel(x.data(), y.data(), kCount);
  double most = 0;
  for (size_t i = 0; i < kCount; ++i) {
    const double error = ulps(y[i], exact(x[i]));
    if (error > most) {
      most = error;
      where = x[i];
    }
  }
  return most;
}

void test_accuracy(const char* isa, Kernel* exp_kernel, Kernel* tanh_kernel) {
  float where = 0;
  const double exp_error = worst(exp_kernel, std::exp, -110.0f, 90.0f, where);
  CHECK(exp_error <= 2, "%s exp(%g): %g ulp", isa, where, exp_error);
  const double tanh_error = worst(tanh_kernel, std::tanh, -12.0f, 12.0f, where);
  CHECK(tanh_error <= 2, "%s tanh(%g): %g ulp", isa, where, tanh_error);
  const double small_error = worst(tanh_kernel, std::tanh, -1e-3f, 1e-3f, where);
  CHECK(small_error <= 1, "%s tanh(%g): %g ulp", isa, where, small_error);
  std::printf("%-9s exp %.2f ulp, tanh %.2f ulp, %.2f near 0\n", isa, exp_error, tanh_error, small_error);

  const float x[] = {0, -0.0f, kInf, -kInf, kNan, 88.7f, 89.5f, 1e30f, -1e30f, -87.5f, -103.0f, -105.0f, 1e-40f};
  constexpr int n = sizeof x / sizeof *x;
  float y[n];
  exp_kernel(x, y, n);
  for (int i = 0; i < n; ++i) CHECK(ulps(y[i], std::exp(static_cast<double>(x[i]))) <= 2, "%s exp(%g) = %g", isa, x[i], y[i]);
  tanh_kernel(x, y, n);
  for (int i = 0; i < n; ++i) CHECK(ulps(y[i], std::tanh(static_cast<double>(x[i]))) <= 2, "%s tanh(%g) = %g", isa, x[i], y[i]);
  CHECK(std::signbit(y[1]), "%s tanh(-0)", isa);
}

// Every length up to two vectors and a bit; what lies beyond the end keeps its value and is not read (the sanitizers see).
void test_tails(const char* isa, Kernel* twice, void (*to_bf16)(const float*, bf16_t*, int64_t), void (*from_bf16)(const bf16_t*, float*, int64_t)) {
  for (int n = 0; n <= 37; ++n) {
    std::vector<float> x(static_cast<size_t>(n)), y(static_cast<size_t>(n) + 1, 7.0f);
    for (int i = 0; i < n; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i) + 0.3f;
    twice(x.data(), y.data(), n);
    for (int i = 0; i < n; ++i) CHECK(y[static_cast<size_t>(i)] == 2 * x[static_cast<size_t>(i)], "%s n=%d", isa, n);
    CHECK(y[static_cast<size_t>(n)] == 7.0f, "%s n=%d wrote beyond the end", isa, n);

    std::vector<bf16_t> h(static_cast<size_t>(n) + 1, 77);
    to_bf16(x.data(), h.data(), n);
    for (int i = 0; i < n; ++i) CHECK(h[static_cast<size_t>(i)] == float_to_bf16(x[static_cast<size_t>(i)]), "%s n=%d", isa, n);
    CHECK(h[static_cast<size_t>(n)] == 77, "%s n=%d wrote beyond the end", isa, n);
    h.pop_back();
    h.shrink_to_fit();
    from_bf16(h.data(), y.data(), n);
    for (int i = 0; i < n; ++i) CHECK(y[static_cast<size_t>(i)] == bf16_to_float(h[static_cast<size_t>(i)]), "%s n=%d", isa, n);
  }
}

void test_rounding(const char* isa, void (*to_bf16)(const float*, bf16_t*, int64_t)) {
  Random random;
  std::vector<float> x;
  for (int i = 0; i < 4096; ++i) {
    const uint32_t bits = i < 64 ? 0x3f800000u + static_cast<uint32_t>(i) * 0x800u : static_cast<uint32_t>(random.next() >> 32);
    float f;
    std::memcpy(&f, &bits, 4);
    x.push_back(f);
  }
  for (float f : {kInf, -kInf, kNan, -kNan, 3.4e38f, 1e-45f}) x.push_back(f);
  std::vector<bf16_t> h(x.size());
  to_bf16(x.data(), h.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) CHECK(h[i] == float_to_bf16(x[i]), "%s %a: %04x, not %04x", isa, x[i], h[i], float_to_bf16(x[i]));
}

void test_reductions(const char* isa, Reductions (*reduce)(const float*)) {
  Random random;
  std::vector<float> x(16);
  for (float& f : x) f = random.uniform();
  const Reductions r = reduce(x.data());
  std::vector<float> folded(x.begin(), x.begin() + r.lanes);
  for (int n = r.lanes / 2; n > 0; n /= 2) {
    for (int i = 0; i < n; ++i) folded[static_cast<size_t>(i)] += folded[static_cast<size_t>(i + n)];
  }
  CHECK(r.sum == folded[0], "%s: %a, not %a", isa, r.sum, folded[0]);  // the documented order, to the bit
  CHECK(r.most == *std::max_element(x.begin(), x.begin() + r.lanes), "%s", isa);
  CHECK(std::isnan(r.max_nan_left) && std::isnan(r.max_nan_right) && std::isnan(r.min_nan_left) && std::isnan(r.min_nan_right), "%s", isa);
  CHECK(r.selected == 3.0f, "%s", isa);
  CHECK(r.even == 1.5f && r.odd == -2.0f, "%s", isa);
  for (int lane = 0; lane < r.lanes; ++lane) {
    std::vector<float> with_nan = x;
    with_nan[static_cast<size_t>(lane)] = kNan;
    CHECK(std::isnan(reduce(with_nan.data()).most), "%s lane %d", isa, lane);
  }
}

}  // namespace

int main() {
  for (Isa isa : available_isas()) {
    set_isa(isa);
    const char* name = isa_name(isa);
    test_accuracy(name, HT_DISPATCH(exp_all), HT_DISPATCH(tanh_all));
    test_tails(name, HT_DISPATCH(twice), HT_DISPATCH(to_bf16), HT_DISPATCH(from_bf16));
    test_rounding(name, HT_DISPATCH(to_bf16));
    test_reductions(name, HT_DISPATCH(reduce));
  }
  return report("vec");
}
#else
void exp_all(const float* x, float* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { exp(Vec::load(x + i, lanes)).store(y + i, lanes); });
}
void tanh_all(const float* x, float* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { tanh(Vec::load(x + i, lanes)).store(y + i, lanes); });
}
void twice(const float* x, float* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { (Vec::load(x + i, lanes) * Vec::set1(2.0f)).store(y + i, lanes); });
}
void to_bf16(const float* x, bf16_t* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { Vec::load(x + i, lanes).store(y + i, lanes); });
}
void from_bf16(const bf16_t* x, float* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { Vec::load(x + i, lanes).store(y + i, lanes); });
}
Reductions reduce(const float* x) {
  const Vec v = Vec::load(x), nan = Vec::set1(kNan), one = Vec::set1(1.0f);
  bf16_t pairs[2 * Vec::lanes];
  for (int i = 0; i < Vec::lanes; ++i) {
    pairs[2 * i] = float_to_bf16(1.5f);
    pairs[2 * i + 1] = float_to_bf16(-2.0f);
  }
  Reductions r;
  r.lanes = Vec::lanes;
  r.sum = sum(v);
  r.most = hmax(v);
  r.max_nan_left = hmax(max(nan, one));
  r.max_nan_right = hmax(max(one, nan));
  r.min_nan_left = hmax(min(nan, one));
  r.min_nan_right = hmax(min(one, nan));
  // A comparison with NaN is false; abs, sqrt, copysign and the division go into one number.
  const Vec three = select(nan <= one, nan, select(one < sqrt(Vec::set1(4.0f)), abs(copysign(Vec::set1(6.0f), -one)) / Vec::set1(2.0f), one));
  r.selected = hmax(select(three == three, three, nan));
  r.even = hmax(Vec::load_even(pairs));
  r.odd = hmax(Vec::load_odd(pairs));
  return r;
}
#endif
