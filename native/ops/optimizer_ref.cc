// Reference kernels of the optimiser step.
#include <cmath>

#include "core/ops.gen.h"

namespace ht {

void grad_scale_ref(const Call& c) {
  using Op = op::grad_scale;
  const double norm = c.in[Op::norm].get(0), count = c.in[Op::count].get(0);
  const double max_norm = c.attr[Op::a_max_norm].f;
  const bool usable = std::isfinite(norm) && std::isfinite(count) && count > 0;
  const double mean_norm = count > 0 ? norm / count : norm;
  const double clip = max_norm > 0 && mean_norm > max_norm ? max_norm / mean_norm : 1.0;
  c.out[Op::o_scale].set(0, usable ? clip / count : 0.0);
  c.out[Op::o_norm_out].set(0, mean_norm);
}

void adamw_ref(const Call& c) {
  using Op = op::adamw;
  Tensor param = c.in[Op::param], m = c.in[Op::m], v = c.in[Op::v], copy = c.in[Op::copy];
  const Tensor &grad = c.in[Op::grad], &rates = c.in[Op::rates];
  const double gscale = c.in[Op::gscale].get(0);
  if (gscale == 0) return;
  const double beta1 = c.attr[Op::a_beta1].f, beta2 = c.attr[Op::a_beta2].f, eps = c.attr[Op::a_eps].f;
  const double decay = c.attr[Op::a_weight_decay].f;
  const double lr = rates.get(0) * c.attr[Op::a_lr_scale].f;
  for (int64_t i = 0; i < param.size(); ++i) {
    const double g = gscale * grad.get(i), p = param.get(i);
    const double m_new = beta1 * m.get(i) + (1 - beta1) * g;
    const double v_new = beta2 * v.get(i) + (1 - beta2) * g * g;
    const double step = (m_new / rates.get(1)) / (std::sqrt(v_new / rates.get(2)) + eps);
    const double p_new = p - lr * (step + decay * p);
    m.set(i, m_new);
    v.set(i, v_new);
    param.set(i, p_new);
    if (copy) copy.set(i, p_new);
  }
}

void average_ref(const Call& c) {
  using Op = op::average;
  Tensor mean = c.in[Op::mean];
  const Tensor& x = c.in[Op::x];
  const double rate = c.in[Op::rate].get(0);
  if (c.in[Op::gscale].get(0) == 0) return;
  for (int64_t i = 0; i < mean.size(); ++i) mean.set(i, mean.get(i) + rate * (x.get(i) - mean.get(i)));
}

}  // namespace ht
