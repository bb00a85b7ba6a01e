// Fast kernels of Adafactor. The update's size needs the whole gradient before a parameter may move, so memory is passed
// over three times (twice for vectors): second moments, size of the update, the update itself. Sums within a piece are in
// fp32, over pieces in double and in order.
#ifndef HT_ISA_PASS
#include <vector>

#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/adafactor.h"
#include "ops/chunks.h"

namespace ht {
namespace {

struct AdafactorMove {
  float gscale, beta1, rate, shrink;
};

// Tiles of consecutive rows that stay within one matrix; at most 64 of them per matrix, as each has column sums of its own.
struct RowTiles {
  int64_t matrices, rows, columns, step, per_matrix;
  explicit RowTiles(const Tensor& param)
      : matrices(param.dim[0]), rows(param.dim[1]), columns(param.dim[2]), step(std::max(rows_per_chunk(columns), (rows + 63) / 64)), per_matrix((rows + step - 1) / step) {}
  int64_t count() const { return matrices * per_matrix; }
  // f(matrix, tile, first row, end row), rows counted over all matrices.
  template <class F>
  void each(const F& f) const {
    cpu::parallel(count(), [&](int64_t tile, int) {
      const int64_t n = tile / per_matrix, first = tile % per_matrix * step;
      f(n, tile, n * rows + first, n * rows + std::min(rows, first + step));
    });
  }
};

double total(const std::vector<double>& parts) {
  double sum = 0;
  for (double x : parts) sum += x;
  return sum;
}

template <class Op>
AdafactorMove move_of(const AdafactorStep& step, double squares, int64_t n) {
  return {static_cast<float>(step.gscale), static_cast<float>(step.beta1), static_cast<float>(step.clipped_rate(squares, static_cast<double>(n))), static_cast<float>(step.shrink)};
}

}  // namespace
}  // namespace ht

#define HT_KERNELS "ops/adafactor_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void adafactor_cpu(const Call& c) {
  using Op = op::adafactor;
  Tensor param = c.in[Op::param], row = c.in[Op::row], col = c.in[Op::col], m = c.in[Op::m], copy = c.in[Op::copy];
  const float *grad = c.in[Op::grad].f32(), gscale = c.in[Op::gscale].f32()[0];
  if (gscale == 0 || param.size() == 0) return;
  const RowTiles tiles(param);
  const int64_t columns = tiles.columns;

  std::vector<float> row_sum(tiles.matrices * tiles.rows), col_sum(tiles.count() * columns, 0.0f);
  std::vector<double> squares(tiles.count());
  auto* sums = HT_DISPATCH(adafactor_sums);
  tiles.each([&](int64_t, int64_t tile, int64_t begin, int64_t end) {
    double p_squares = 0;
    for (int64_t i = begin; i < end; ++i) row_sum[i] = sums(gscale, grad + i * columns, param.f32() + i * columns, col_sum.data() + tile * columns, &p_squares, columns);
    squares[tile] = p_squares;
  });
  const auto step = AdafactorStep::of<Op>(c, total(squares));

  // From here on the sums' memory holds the inverse roots that multiply a gradient.
  std::vector<float>& by_row = row_sum;
  std::vector<float> by_col(tiles.matrices * columns);
  for (int64_t n = 0; n < tiles.matrices; ++n) {
    double mean = 0;
    for (int64_t i = n * tiles.rows; i < (n + 1) * tiles.rows; ++i) {
      const double fresh = row_sum[i] / static_cast<double>(columns) + step.eps1;
      row.f32()[i] = static_cast<float>(step.beta2 * row.f32()[i] + (1 - step.beta2) * fresh);
      mean += row.f32()[i];
    }
    mean /= static_cast<double>(tiles.rows);
    for (int64_t i = n * tiles.rows; i < (n + 1) * tiles.rows; ++i) by_row[i] = static_cast<float>(std::sqrt(mean / row.f32()[i]));
    for (int64_t j = 0; j < columns; ++j) {
      double column = 0;
      for (int64_t t = 0; t < tiles.per_matrix; ++t) column += col_sum[(n * tiles.per_matrix + t) * columns + j];
      float& state = col.f32()[n * columns + j];
      state = static_cast<float>(step.beta2 * state + (1 - step.beta2) * (column / static_cast<double>(tiles.rows) + step.eps1));
      by_col[n * columns + j] = static_cast<float>(1 / std::sqrt(static_cast<double>(state)));
    }
  }

  auto* size = HT_DISPATCH(adafactor_size);
  tiles.each([&](int64_t n, int64_t tile, int64_t begin, int64_t end) {
    double u = 0;
    for (int64_t i = begin; i < end; ++i) u += size(gscale * by_row[i], grad + i * columns, by_col.data() + n * columns, columns);
    squares[tile] = u;
  });
  const AdafactorMove rates = move_of<Op>(step, total(squares), param.size());
  with_type(copy.dtype, [&](auto type) {
    using C = decltype(type);
    auto* kernel = HT_DISPATCH(adafactor_move<C, false>);
    tiles.each([&](int64_t n, int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t at = i * columns;
        kernel(rates, by_row[i], by_col.data() + n * columns, param.f32() + at, m ? m.f32() + at : nullptr, copy ? data_of<C>(copy) + at : nullptr, grad + at, columns);
      }
    });
  });
}

void adafactor_full_cpu(const Call& c) {
  using Op = op::adafactor_full;
  Tensor param = c.in[Op::param], v = c.in[Op::v], m = c.in[Op::m], copy = c.in[Op::copy];
  const float *grad = c.in[Op::grad].f32(), gscale = c.in[Op::gscale].f32()[0];
  const int64_t n = param.size(), pieces = (n + kChunk - 1) / kChunk;
  if (gscale == 0 || n == 0) return;
  std::vector<double> p_squares(pieces), squares(pieces);
  auto* moments = HT_DISPATCH(adafactor_moments);
  const float beta2 = c.in[Op::rates].f32()[1], eps1 = c.attr[Op::a_eps1].f;
  for_chunks(n, [&](int64_t i, int64_t count) { moments(gscale, beta2, eps1, grad + i, param.f32() + i, v.f32() + i, &p_squares[i / kChunk], &squares[i / kChunk], count); });
  const auto step = AdafactorStep::of<Op>(c, total(p_squares));
  const AdafactorMove rates = move_of<Op>(step, total(squares), n);
  with_type(copy.dtype, [&](auto type) {
    using C = decltype(type);
    auto* kernel = HT_DISPATCH(adafactor_move<C, true>);
    for_chunks(n, [&](int64_t i, int64_t count) {
      kernel(rates, 1.0f, v.f32() + i, param.f32() + i, m ? m.f32() + i : nullptr, copy ? data_of<C>(copy) + i : nullptr, grad + i, count);
    });
  });
}

}  // namespace ht
#else
// Sum of g^2 of one row, added to the columns too; the parameter's squares are added to p_squares.
inline float adafactor_sums(float gscale, const float* grad, const float* param, float* columns, double* p_squares, int64_t n) {
  Vec row = Vec::zero(), p_row = Vec::zero();
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec g = Vec::set1(gscale) * Vec::load(grad + i, lanes), p = Vec::load(param + i, lanes), square = g * g;
    row = row + square;
    p_row = fma(p, p, p_row);
    (Vec::load(columns + i, lanes) + square).store(columns + i, lanes);
  });
  *p_squares += sum(p_row);
  return sum(row);
}

// Sum of the squares of an update: scale * grad * inverse.
inline float adafactor_size(float scale, const float* grad, const float* inverse, int64_t n) {
  Vec squares = Vec::zero();
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec u = Vec::set1(scale) * Vec::load(grad + i, lanes) * Vec::load(inverse + i, lanes);
    squares = fma(u, u, squares);
  });
  return sum(squares);
}

inline void adafactor_moments(float gscale, float beta2, float eps1, const float* grad, const float* param, float* v, double* p_squares, double* u_squares, int64_t n) {
  constexpr int64_t kBlock = 1024;  // keeps sums in fp32 short
  double p_total = 0, u_total = 0;
  for (int64_t at = 0; at < n; at += kBlock) {
    Vec p_sum = Vec::zero(), u_sum = Vec::zero();
    for_each_vec(std::min(kBlock, n - at), [&](int64_t k, int lanes) {
      const int64_t i = at + k;
      const Vec g = Vec::set1(gscale) * Vec::load(grad + i, lanes), p = Vec::load(param + i, lanes);
      const Vec moment = fma(Vec::set1(beta2), Vec::load(v + i, lanes), Vec::set1(1 - beta2) * fma(g, g, Vec::set1(eps1)));
      moment.store(v + i, lanes);
      p_sum = fma(p, p, p_sum);
      // Lanes past the end would be 0 / 0.
      const Vec square = g * g / moment;
      u_sum = u_sum + select(Vec::zero() < moment, square, Vec::zero());
    });
    p_total += sum(p_sum);
    u_total += sum(u_sum);
  }
  *p_squares = p_total;
  *u_squares = u_total;
}

// Full: moment is the second moment; else its inverse root, up to the factor by_row.
template <class C, bool Full>
void adafactor_move(const AdafactorMove& s, float by_row, const float* moment, float* param, float* m, C* copy, const float* grad, int64_t n) {
  const Vec scale = Vec::set1(s.rate * s.gscale * by_row), beta1 = Vec::set1(s.beta1), one = Vec::set1(1.0f);
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec g = scale * Vec::load(grad + i, lanes), second = Vec::load(moment + i, lanes), p = Vec::load(param + i, lanes);
    Vec delta = Full ? g / sqrt(second) : g * second;
    if (m) {
      delta = fma(beta1, Vec::load(m + i, lanes), (one - beta1) * delta);
      delta.store(m + i, lanes);
    }
    const Vec moved = p - fma(Vec::set1(s.shrink), p, delta);
    moved.store(param + i, lanes);
    if (copy) moved.store(copy + i, lanes);
  });
}
#endif
