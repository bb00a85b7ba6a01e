// Reference kernels of activations and of T5 v1.1's gate (Shazeer, "GLU variants improve transformer", 2020).
#include "ops/activation.h"

#include "core/ops.gen.h"

namespace ht {

void activation_ref(const Call& c) {
  const Tensor& x = c.in[op::activation::x];
  Tensor& y = c.out[op::activation::o_y];
  const auto kind = static_cast<Activation>(c.attr[op::activation::a_kind].i);
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, activate(kind, x.get(i)));
}

void activation_grad_ref(const Call& c) {
  const Tensor &x = c.in[op::activation_grad::x], &dy = c.in[op::activation_grad::dy];
  Tensor& dx = c.out[op::activation_grad::o_dx];
  const auto kind = static_cast<Activation>(c.attr[op::activation_grad::a_kind].i);
  for (int64_t i = 0; i < dx.size(); ++i) dx.set(i, dy.get(i) * activate_grad(kind, x.get(i)));
}

void gated_activation_ref(const Call& c) {
  const Tensor &a = c.in[op::gated_activation::a], &b = c.in[op::gated_activation::b];
  Tensor& y = c.out[op::gated_activation::o_y];
  const auto kind = static_cast<Activation>(c.attr[op::gated_activation::a_kind].i);
  for (int64_t i = 0; i < y.size(); ++i) y.set(i, activate(kind, a.get(i)) * b.get(i));
}

void gated_activation_grad_ref(const Call& c) {
  using Op = op::gated_activation_grad;
  const Tensor &a = c.in[Op::a], &b = c.in[Op::b], &dy = c.in[Op::dy];
  Tensor &da = c.out[Op::o_da], &db = c.out[Op::o_db];
  const auto kind = static_cast<Activation>(c.attr[Op::a_kind].i);
  for (int64_t i = 0; i < da.size(); ++i) {
    da.set(i, dy.get(i) * activate_grad(kind, a.get(i)) * b.get(i));
    db.set(i, dy.get(i) * activate(kind, a.get(i)));
  }
}

}  // namespace ht
