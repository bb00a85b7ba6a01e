// Reference kernels of T5's layer norm (Zhang and Sennrich, "Root mean square layer normalization", 2019).
#include <cmath>
#include <vector>

#include "core/ops.gen.h"

namespace ht {

void rms_norm_ref(const Call& c) {
  using Op = op::rms_norm;
  const Tensor &x = c.in[Op::x], &residual = c.in[Op::residual], &gain = c.in[Op::gain];
  Tensor &y = c.out[Op::o_y], &h_out = c.out[Op::o_h];
  const int64_t tokens = x.dim[0], width = x.dim[1];
  std::vector<double> h(width);
  for (int64_t t = 0; t < tokens; ++t) {
    double squares = 0;
    for (int64_t j = 0; j < width; ++j) {
      h[j] = x.get(t * width + j) + (residual ? residual.get(t * width + j) : 0.0);
      squares += h[j] * h[j];
      if (h_out) h_out.set(t * width + j, h[j]);
    }
    const double inverse = 1 / std::sqrt(squares / width + c.attr[Op::a_eps].f);
    for (int64_t j = 0; j < width; ++j) y.set(t * width + j, gain.get(j) * h[j] * inverse);
  }
}

// With r = 1 / sqrt(mean(h^2) + eps): dh = carry + r * (gain * dy) - h * r^3 / d * sum(gain * dy * h); dgain = sum of dy * h * r.
void rms_norm_grad_ref(const Call& c) {
  using Op = op::rms_norm_grad;
  const Tensor &h = c.in[Op::h], &gain = c.in[Op::gain], &dy = c.in[Op::dy], &carry = c.in[Op::carry];
  Tensor &dh = c.out[Op::o_dh], &dgain = c.out[Op::o_dgain];
  const int64_t tokens = h.dim[0], width = h.dim[1];
  std::vector<double> gain_total(width, 0.0);
  for (int64_t t = 0; t < tokens; ++t) {
    double squares = 0, dot = 0;
    for (int64_t j = 0; j < width; ++j) {
      const double hj = h.get(t * width + j);
      squares += hj * hj;
      dot += gain.get(j) * dy.get(t * width + j) * hj;
    }
    const double inverse = 1 / std::sqrt(squares / width + c.attr[Op::a_eps].f);
    const double pull = dot * inverse * inverse * inverse / width;
    for (int64_t j = 0; j < width; ++j) {
      const int64_t i = t * width + j;
      dh.set(i, (carry ? carry.get(i) : 0.0) + inverse * gain.get(j) * dy.get(i) - pull * h.get(i));
      gain_total[j] += dy.get(i) * h.get(i) * inverse;
    }
  }
  if (dgain)
    for (int64_t j = 0; j < width; ++j) dgain.set(j, gain_total[j]);
}

}  // namespace ht
