// Reference kernels that treat every element alike.
#include "core/ops.gen.h"

namespace ht {

void add_ref(const Call& c) {
  const Tensor &a = c.in[op::add::a], &b = c.in[op::add::b];
  Tensor& y = c.out[op::add::o_y];
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, a.get(i) + b.get(i));
}

void mul_ref(const Call& c) {
  const Tensor &a = c.in[op::mul::a], &b = c.in[op::mul::b];
  Tensor& y = c.out[op::mul::o_y];
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, a.get(i) * b.get(i));
}

void scale_ref(const Call& c) {
  const Tensor& x = c.in[op::scale::x];
  Tensor& y = c.out[op::scale::o_y];
  const double alpha = c.attr[op::scale::a_alpha].f;
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, alpha * x.get(i));
}

void scale_by_ref(const Call& c) {
  const Tensor& x = c.in[op::scale_by::x];
  Tensor& y = c.out[op::scale_by::o_y];
  const double s = c.in[op::scale_by::s].get(0);
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, s * x.get(i));
}

void cast_ref(const Call& c) {
  const Tensor& x = c.in[op::cast::x];
  Tensor& y = c.out[op::cast::o_y];
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, x.get(i));
}

void expand_ref(const Call& c) {
  Tensor& y = c.out[op::expand::o_y];
  const double s = c.in[op::expand::s].get(0);
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, s);
}

void fill_ref(const Call& c) {
  Tensor& y = c.out[op::fill::o_y];
  const double value = c.attr[op::fill::a_value].f;
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, value);
}

}  // namespace ht
