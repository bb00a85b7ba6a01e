// Hypermodel heads in plain loops: t = tanh(u W1^T + b1), y_i = output_scale (t W2_i^T + b2_i), and all gradients.
// Head form: HyperTuning (Phang et al. 2022, section 3); output_scale: HINT (Ivison et al. 2022).
#include <cmath>
#include <vector>

#include "core/ops.gen.h"

namespace ht {
namespace {

double dot_rows(const Tensor& x, int64_t i, const Tensor& w, int64_t j) {
  double sum = 0;
  for (int64_t c = 0; c < w.dim[1]; ++c) sum += x.get(i * w.dim[1] + c) * w.get(j * w.dim[1] + c);
  return sum;
}

// weight[j, c] = alpha * sum over tokens of dy[n, j] x[n, c], and the same for the bias with x = 1. dy is [tokens, outputs].
void weight_grads(const std::vector<double>& dy, const Tensor& x, double alpha, Tensor& weight, Tensor& bias) {
  const int64_t tokens = x.dim[0], outputs = weight.dim[0], inputs = x.dim[1];
  for (int64_t j = 0; j < outputs; ++j) {
    double sum = 0;
    for (int64_t n = 0; n < tokens; ++n) sum += dy[n * outputs + j];
    bias.set(j, alpha * sum);
    for (int64_t c = 0; c < inputs; ++c) {
      double product = 0;
      for (int64_t n = 0; n < tokens; ++n) product += dy[n * outputs + j] * x.get(n * inputs + c);
      weight.set(j * inputs + c, alpha * product);
    }
  }
}

}  // namespace

void hyper_heads_ref(const Call& call) {
  using O = op::hyper_heads;
  const Tensor &u = call.in[O::u], &w1 = call.in[O::w1], &b1 = call.in[O::b1];
  Tensor& t = call.out[O::o_t];
  const double output_scale = call.attr[O::a_output_scale].f;
  for (int64_t n = 0; n < u.dim[0]; ++n)
    for (int64_t j = 0; j < w1.dim[0]; ++j) t.set(n * w1.dim[0] + j, std::tanh(dot_rows(u, n, w1, j) + b1.get(j)));
  for (int i = 0; i < call.attr[O::a_n].i; ++i) {
    const Tensor &w2 = O::in(call, O::w2, i), &b2 = O::in(call, O::b2, i);
    for (int64_t n = 0; n < u.dim[0]; ++n)
      for (int64_t j = 0; j < w2.dim[0]; ++j)
        O::out(call, O::o_y, i).set(n * w2.dim[0] + j, output_scale * (dot_rows(t, n, w2, j) + b2.get(j)));
  }
}

void hyper_heads_grad_ref(const Call& call) {
  using O = op::hyper_heads_grad;
  const Tensor &u = call.in[O::u], &w1 = call.in[O::w1], &t = call.in[O::t];
  const int64_t tokens = u.dim[0], d = u.dim[1], hidden = w1.dim[0];
  const double output_scale = call.attr[O::a_output_scale].f;
  std::vector<double> dt(static_cast<size_t>(tokens * hidden));
  for (int i = 0; i < call.attr[O::a_n].i; ++i) {
    const Tensor &w2 = O::in(call, O::w2, i), &dy = O::in(call, O::dy, i);
    std::vector<double> upstream(static_cast<size_t>(dy.size()));
    for (size_t e = 0; e < upstream.size(); ++e) upstream[e] = dy.get(static_cast<int64_t>(e));
    weight_grads(upstream, t, output_scale, O::out(call, O::o_dw2, i), O::out(call, O::o_db2, i));
    for (int64_t n = 0; n < tokens; ++n)
      for (int64_t j = 0; j < w2.dim[0]; ++j)
        for (int64_t c = 0; c < hidden; ++c)
          dt[n * hidden + c] += output_scale * upstream[n * w2.dim[0] + j] * w2.get(j * hidden + c);
  }
  for (int64_t e = 0; e < t.size(); ++e) dt[e] *= 1 - t.get(e) * t.get(e);  // now before the tanh
  weight_grads(dt, u, 1.0, call.out[O::o_dw1], call.out[O::o_db1]);
  for (int64_t n = 0; n < tokens; ++n)
    for (int64_t c = 0; c < d; ++c) {
      double sum = 0;
      for (int64_t j = 0; j < hidden; ++j) sum += dt[n * hidden + j] * w1.get(j * d + c);
      call.out[O::o_du].set(n * d + c, sum);
    }
}

}  // namespace ht
