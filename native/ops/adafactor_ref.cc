// Reference kernels of Adafactor.
#include "ops/adafactor.h"

#include "core/ops.gen.h"

namespace ht {
namespace {

double sum_squares(const Tensor& x) {
  double total = 0;
  for (int64_t i = 0; i < x.size(); ++i) total += x.get(i) * x.get(i);
  return total;
}

// root(i) is the root of element i's second moment.
template <class Op, class Root>
void move(const Call& c, const AdafactorStep& step, const Root& root) {
  Tensor param = c.in[Op::param], m = c.in[Op::m], copy = c.in[Op::copy];
  const Tensor& grad = c.in[Op::grad];
  const int64_t n = param.size();
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double u = step.gscale * grad.get(i) / root(i);
    squares += u * u;
  }
  const double rate = step.clipped_rate(squares, static_cast<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    double delta = rate * step.gscale * grad.get(i) / root(i);
    if (m) {
      delta = step.beta1 * m.get(i) + (1 - step.beta1) * delta;
      m.set(i, delta);
    }
    const double p = param.get(i), moved = p - step.shrink * p - delta;
    param.set(i, moved);
    if (copy) copy.set(i, moved);
  }
}

}  // namespace

void adafactor_ref(const Call& c) {
  using Op = op::adafactor;
  const Tensor &param = c.in[Op::param], &grad = c.in[Op::grad];
  if (c.in[Op::gscale].get(0) == 0 || param.size() == 0) return;
  Tensor row = c.in[Op::row], col = c.in[Op::col];
  const int64_t matrices = param.dim[0], rows = param.dim[1], columns = param.dim[2];
  const auto step = AdafactorStep::of<Op>(c, sum_squares(param));
  const auto square = [&](int64_t i) {
    const double g = step.gscale * grad.get(i);
    return g * g + step.eps1;
  };
  for (int64_t i = 0; i < matrices * rows; ++i) {
    double total = 0;
    for (int64_t j = 0; j < columns; ++j) total += square(i * columns + j);
    row.set(i, step.beta2 * row.get(i) + (1 - step.beta2) * total / static_cast<double>(columns));
  }
  for (int64_t n = 0; n < matrices; ++n)
    for (int64_t j = 0; j < columns; ++j) {
      double total = 0;
      for (int64_t i = n * rows; i < (n + 1) * rows; ++i) total += square(i * columns + j);
      const int64_t at = n * columns + j;
      col.set(at, step.beta2 * col.get(at) + (1 - step.beta2) * total / static_cast<double>(rows));
    }
  const auto row_mean = [&](int64_t n) {
    double total = 0;
    for (int64_t i = n * rows; i < (n + 1) * rows; ++i) total += row.get(i);
    return total / static_cast<double>(rows);
  };
  double mean = 0;
  int64_t mean_of = -1;
  move<Op>(c, step, [&](int64_t e) {
    const int64_t i = e / columns, n = i / rows;
    if (n != mean_of) mean = row_mean(mean_of = n);
    return std::sqrt(row.get(i) / mean * col.get(n * columns + e % columns));
  });
}

void adafactor_full_ref(const Call& c) {
  using Op = op::adafactor_full;
  const Tensor &param = c.in[Op::param], &grad = c.in[Op::grad];
  if (c.in[Op::gscale].get(0) == 0 || param.size() == 0) return;
  Tensor v = c.in[Op::v];
  const auto step = AdafactorStep::of<Op>(c, sum_squares(param));
  for (int64_t i = 0; i < v.size(); ++i) {
    const double g = step.gscale * grad.get(i);
    v.set(i, step.beta2 * v.get(i) + (1 - step.beta2) * (g * g + step.eps1));
  }
  move<Op>(c, step, [&](int64_t i) { return std::sqrt(v.get(i)); });
}

}  // namespace ht
