// gemm() against a double-precision loop, on every instruction set of this machine.
#include "cpu/gemm.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "cpu/threads.h"

using namespace ht;
using namespace ht::cpu;

namespace {

// A matrix with its own memory, any dtype and layout. Gaps between rows hold NaN: whoever reads them shows it.
struct Data {
  DType dtype;
  int64_t rows, cols, row_stride, col_stride;
  std::vector<uint8_t> bytes;

  Data(DType t, int64_t r, int64_t c, bool transposed, int64_t gap) : dtype(t), rows(r), cols(c) {
    row_stride = transposed ? 1 : c + gap;
    col_stride = transposed ? r + gap : 1;
    const int64_t lines = transposed ? c : r, length = (transposed ? r : c) + gap;
    bytes.resize(static_cast<size_t>((lines ? lines * length - gap : 0)) * dtype_size(t));
    for (int64_t i = 0; i < static_cast<int64_t>(bytes.size() / dtype_size(t)); ++i) put(i, NAN);
  }
  void put(int64_t index, float x) {
    if (dtype == DType::F32) std::memcpy(&bytes[static_cast<size_t>(index) * 4], &x, 4);
    else {
      const bf16_t h = float_to_bf16(x);
      std::memcpy(&bytes[static_cast<size_t>(index) * 2], &h, 2);
    }
  }
  float get(int64_t index) const {
    if (dtype == DType::F32) {
      float x;
      std::memcpy(&x, &bytes[static_cast<size_t>(index) * 4], 4);
      return x;
    }
    bf16_t h;
    std::memcpy(&h, &bytes[static_cast<size_t>(index) * 2], 2);
    return bf16_to_float(h);
  }
  int64_t at(int64_t i, int64_t j) const { return i * row_stride + j * col_stride; }
  void fill(Random& random) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j) put(at(i, j), random.uniform());
    }
  }
  Matrix view() const { return {bytes.data(), dtype, rows, cols, row_stride, col_stride}; }
  MatrixOut out() { return {bytes.data(), dtype, rows, cols, row_stride}; }
};

struct Case {
  int64_t m, n, k;
  bool a_transposed, b_transposed;
  DType a, b, c;
  int64_t gap;
  float alpha;
  bool accumulate, packed, epilogue;
};

std::string describe(const Case& t, Isa isa) {
  char text[200];
  std::snprintf(text, sizeof text, "%s m=%d n=%d k=%d %c%c %s*%s->%s gap=%d alpha=%g acc=%d packed=%d", isa_name(isa), static_cast<int>(t.m),
                static_cast<int>(t.n), static_cast<int>(t.k), t.a_transposed ? 'T' : 'N', t.b_transposed ? 'T' : 'N',
                dtype_name(t.a), dtype_name(t.b), dtype_name(t.c), static_cast<int>(t.gap), t.alpha, t.accumulate, t.packed);
  return text;
}

std::vector<uint8_t> run(const Case& t, Isa isa, bool compare) {
  Random random;
  Data a(t.a, t.m, t.k, t.a_transposed, t.gap), b(t.b, t.k, t.n, t.b_transposed, t.gap), c(t.c, t.m, t.n, false, t.gap);
  a.fill(random);
  b.fill(random);
  if (t.accumulate) c.fill(random);  // otherwise it stays NaN, and gemm() must not read it
  const Data before = c;

  std::vector<uint8_t> visits(static_cast<size_t>(t.m * t.n));
  const auto visit = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
    for (int64_t i = m0; i < m1; ++i) {
      for (int64_t j = n0; j < n1; ++j) {
        ++visits[static_cast<size_t>(i * t.n + j)];
        c.put(c.at(i, j), c.get(c.at(i, j)) * 2);  // exact: shows that the value was final
      }
    }
  };
  PackedB packed;
  if (t.packed) packed = pack_b(b.view());
  GemmOptions options;
  options.alpha = t.alpha;
  options.accumulate = t.accumulate;
  if (t.packed) options.packed_b = &packed;
  if (t.epilogue) options.epilogue = visit;
  gemm(a.view(), b.view(), c.out(), options);

  if (compare) {
    CHECK(!t.packed || packed.usable());
    const double scale = t.epilogue ? 2 : 1;
    for (int64_t i = 0; i < t.m; ++i) {
      for (int64_t j = 0; j < t.n; ++j) {
        double sum = 0, magnitude = 0;
        for (int64_t l = 0; l < t.k; ++l) {
          const double product = static_cast<double>(a.get(a.at(i, l))) * b.get(b.at(l, j));
          sum += product;
          magnitude += std::fabs(product);
        }
        sum *= t.alpha;
        magnitude *= std::fabs(t.alpha);
        if (t.accumulate) {
          sum += before.get(before.at(i, j));
          magnitude += std::fabs(before.get(before.at(i, j)));
        }
        const double got = c.get(c.at(i, j)) / scale;
        // Rounding errors of k fp32 additions grow like sqrt(k); a bf16 result is off by at most 2^-8 of itself.
        const double bound = (2 * std::sqrt(static_cast<double>(t.k)) + 8) * 0x1p-24 * magnitude + (t.c == DType::BF16 ? 0x1.01p-8 * std::fabs(sum) : 0);
        CHECK(std::fabs(got - sum) <= bound, "%s at (%d,%d): %g, not %g", describe(t, isa).c_str(), static_cast<int>(i), static_cast<int>(j), got, sum);
        if (t.epilogue) CHECK(visits[static_cast<size_t>(i * t.n + j)] == 1, "%s", describe(t, isa).c_str());
      }
    }
    for (int64_t i = 0; i + 1 < t.m; ++i) {
      for (int64_t j = t.n; j < t.n + t.gap; ++j) CHECK(std::isnan(c.get(c.at(i, j))), "%s wrote beside C", describe(t, isa).c_str());
    }
  }
  return c.bytes;
}

// Random draws over all axes at once: 300 of them meet every pair of values (the largest pair has 1 in 100 odds)
// several times over.
Case draw(Random& random) {
  static const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 12, 13, 33, 111};
  static const int64_t depths[] = {0, 1, 2, 3, 7, 16, 111, 257, 384, 500};
  Case t;
  t.m = sizes[random.below(10)];
  t.n = sizes[random.below(10)];
  t.k = depths[random.below(10)];
  t.a_transposed = random.below(2);
  t.b_transposed = random.below(2);
  t.a = random.below(2) ? DType::BF16 : DType::F32;
  t.b = random.below(2) ? DType::BF16 : DType::F32;
  t.c = random.below(3) ? DType::F32 : DType::BF16;
  t.gap = random.below(2) ? 0 : 1 + random.below(5);
  t.alpha = random.below(2) ? 1.0f : -0.5f;
  t.accumulate = random.below(2);
  t.packed = random.below(2);
  t.epilogue = random.below(2);
  return t;
}

void test_values(Isa isa) {
  Random random;
  random.state += static_cast<uint64_t>(isa);
  for (int i = 0; i < 400; ++i) run(draw(random), isa, true);
  // Several row blocks, depths and jobs.
  run({500, 384, 520, false, true, DType::F32, DType::F32, DType::F32, 0, 1, false, true, true}, isa, true);
  run({389, 100, 777, true, false, DType::BF16, DType::BF16, DType::BF16, 3, 1, true, false, true}, isa, true);
  // So many row blocks that B is packed once for all of them.
  run({600, 130, 263, true, false, DType::F32, DType::F32, DType::F32, 3, 1, true, false, true}, isa, true);
  run({600, 130, 263, false, true, DType::BF16, DType::BF16, DType::BF16, 0, -0.5f, false, false, true}, isa, true);
}

// A B that is packed once, but in pieces: the bits of one that was packed before.
void test_pieces(Isa isa) {
  for (const DType dtype : {DType::F32, DType::BF16}) {
    for (const bool transposed : {false, true}) {
      const int64_t columns = dtype == DType::F32 ? 2100 : 4200;
      Case t{577, columns, 2050, false, transposed, dtype, dtype, DType::F32, 0, 1, false, false, true};
      const auto expected = run(t, isa, false);
      t.packed = true;
      CHECK(run(t, isa, false) == expected, "%s", describe(t, isa).c_str());
    }
  }
}

void test_thread_count(Isa isa) {
  const Case cases[] = {
      {1, 3000, 384, false, true, DType::F32, DType::F32, DType::F32, 0, 1, false, true, false},
      {7, 1001, 500, false, true, DType::BF16, DType::BF16, DType::F32, 0, 1, false, false, true},
      {389, 500, 384, false, true, DType::F32, DType::F32, DType::BF16, 0, 0.3f, true, true, true},
      {111, 384, 500, true, false, DType::F32, DType::BF16, DType::F32, 1, 1, true, false, false},
  };
  const int before = thread_count();
  for (const Case& t : cases) {
    set_thread_count(1);
    const auto expected = run(t, isa, false);
    for (int threads : {2, 3, 7}) {
      set_thread_count(threads);
      for (int repeat = 0; repeat < 3; ++repeat) CHECK(run(t, isa, false) == expected, "%s threads=%d", describe(t, isa).c_str(), threads);
    }
  }
  set_thread_count(before);
}

void test_non_finite(Isa isa) {
  for (const bool packed : {false, true}) {
    for (const DType dtype : {DType::F32, DType::BF16}) {
      for (const int64_t m : {1, 9}) {
        Random random;
        Data a(dtype, m, 21, false, 0), b(dtype, 21, 19, true, 0), c(DType::F32, m, 19, false, 0);
        a.fill(random);
        b.fill(random);
        a.put(a.at(0, 20), INFINITY);
        b.put(b.at(3, 18), NAN);
        b.put(b.at(20, 5), 0);  // infinity times zero
        const PackedB panels = pack_b(b.view());
        GemmOptions options;
        if (packed) options.packed_b = &panels;
        gemm(a.view(), b.view(), c.out(), options);
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < 19; ++j) {
            const float x = c.get(c.at(i, j));
            if (j == 18 || (i == 0 && j == 5)) CHECK(std::isnan(x), "%s (%d,%d) %g", isa_name(isa), static_cast<int>(i), static_cast<int>(j), x);
            else if (i == 0) CHECK(std::isinf(x), "%s (%d,%d) %g", isa_name(isa), static_cast<int>(i), static_cast<int>(j), x);
            else CHECK(std::isfinite(x), "%s (%d,%d) %g", isa_name(isa), static_cast<int>(i), static_cast<int>(j), x);
          }
        }
      }
    }
  }
}

void test_empty() {
  float c[4] = {NAN, NAN, NAN, NAN};
  gemm(Matrix::of(nullptr, DType::F32, 2, 0), Matrix::of(nullptr, DType::F32, 0, 2), MatrixOut::of(c, DType::F32, 2, 2));
  for (float x : c) CHECK(x == 0.0f);
  gemm(Matrix::of(nullptr, DType::F32, 0, 3), Matrix::of(c, DType::F32, 3, 1), MatrixOut::of(nullptr, DType::F32, 0, 1));
  CHECK(!PackedB().usable());
}

void test_packed_for_another_isa() {
  if (available_isas().size() < 2) return;
  Random random;
  Data a(DType::F32, 5, 40, false, 0), b(DType::F32, 40, 30, true, 0), c(DType::F32, 5, 30, false, 0), d = c;
  a.fill(random);
  b.fill(random);
  set_isa(Isa::Portable);
  const PackedB packed = pack_b(b.view());
  set_isa(available_isas().back());
  CHECK(!packed.usable());
  GemmOptions options;
  options.packed_b = &packed;
  gemm(a.view(), b.view(), c.out(), options);
  gemm(a.view(), b.view(), d.out());
  CHECK(c.bytes == d.bytes);
}

// Products inside the tiles and inside the epilogue of another one.
void test_nested() {
  Random random;
  constexpr int64_t kCount = 9, m = 30, n = 40, k = 50;
  Data a(DType::F32, kCount * m, k, false, 0), b(DType::F32, k, n, true, 0);
  a.fill(random);
  b.fill(random);
  Data whole(DType::F32, kCount * m, n, false, 0), parts = whole, twice = whole;
  gemm(a.view(), b.view(), whole.out());
  const auto rows = [&](const Data& x, int64_t i) { return x.bytes.data() + i * x.row_stride * 4; };
  gemm_batched(kCount, [&](int64_t i) {
    GemmTask t{Matrix::of(rows(a, i * m), DType::F32, m, k), b.view(), MatrixOut::of(const_cast<uint8_t*>(rows(parts, i * m)), DType::F32, m, n)};
    return t;
  });
  for (int64_t i = 0; i < kCount * m * n; ++i) CHECK(std::fabs(parts.get(i) - whole.get(i)) < 1e-5f);

  const auto add_again = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
    const Matrix part{b.bytes.data() + n0 * b.col_stride * 4, DType::F32, k, n1 - n0, 1, b.col_stride};
    GemmOptions accumulate;
    accumulate.accumulate = true;
    float* c = reinterpret_cast<float*>(twice.bytes.data()) + m0 * n + n0;
    gemm(Matrix::of(rows(a, m0), DType::F32, m1 - m0, k), part, MatrixOut::of(c, DType::F32, m1 - m0, n1 - n0, n), accumulate);
  };
  GemmOptions options;
  options.epilogue = add_again;
  gemm(a.view(), b.view(), twice.out(), options);
  for (int64_t i = 0; i < kCount * m * n; ++i) CHECK(std::fabs(twice.get(i) - 2 * whole.get(i)) < 2e-5f);
}

}  // namespace

int main() {
  set_thread_count(2);
  for (Isa isa : available_isas()) {
    set_isa(isa);
    test_values(isa);
    if (isa != Isa::Portable) test_pieces(isa);  // plain loops take seconds, and cut alike
    test_thread_count(isa);
    test_non_finite(isa);
    test_nested();
  }
  test_empty();
  test_packed_for_another_isa();
  return report("gemm");
}
