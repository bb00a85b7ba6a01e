// Cross-entropy fused with the language-model head, in plain loops: one token's logits at a time.
#include <cmath>
#include <limits>
#include <vector>

#include "core/ops.gen.h"
#include "ops/int8_ref.h"
#include "ops/row_map.h"

namespace ht {
namespace {

std::vector<double> int8_logits(const Tensor& x, int64_t t, const Tensor& w, const Tensor& w_scale, double scale) {
  std::vector<double> states(static_cast<size_t>(x.dim[1])), row(static_cast<size_t>(w.dim[0]));
  for (int64_t c = 0; c < x.dim[1]; ++c) states[c] = x.get(t * x.dim[1] + c);
  const Int8Row int8_row(states);
  for (int64_t j = 0; j < w.dim[0]; ++j) row[j] = scale * int8_row.dot(w, w_scale, j);
  return row;
}

std::vector<double> logits(const Tensor& x, int64_t t, const Tensor& w, double scale) {
  std::vector<double> row(static_cast<size_t>(w.dim[0]));
  for (int64_t j = 0; j < w.dim[0]; ++j) {
    double sum = 0;
    for (int64_t c = 0; c < w.dim[1]; ++c) sum += x.get(t * w.dim[1] + c) * w.get(j * w.dim[1] + c);
    row[j] = scale * sum;
  }
  return row;
}

}  // namespace

void cross_entropy_ref(const Call& call) {
  using O = op::cross_entropy;
  const Tensor &x = call.in[O::x], &w = call.in[O::w], &w_scale = call.in[O::w_scale];
  const double scale = call.attr[O::a_scale].f;
  for (int64_t t = 0; t < x.dim[0]; ++t) {
    const std::vector<double> row = w_scale ? int8_logits(x, t, w, w_scale, scale) : logits(x, t, w, scale);
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (double value : row) max = std::max(max, value);
    for (double value : row) sum += std::exp(value - max);
    const double lse = max + std::log(sum);
    const int64_t label = checked_index(call.in[O::labels], t, -1, w.dim[0], call.flags);
    call.out[O::o_lse].set(t, lse);
    call.out[O::o_logp].set(t, label < 0 ? 0 : row[label] - lse);
  }
}

// d logp / d logits = onehot - softmax; a token without a label has a constant logp and passes nothing on.
void cross_entropy_grad_ref(const Call& call) {
  using O = op::cross_entropy_grad;
  const Tensor &x = call.in[O::x], &w = call.in[O::w];
  const int64_t d = w.dim[1], vocabulary = w.dim[0];
  const double scale = call.attr[O::a_scale].f;
  Tensor& dw = call.out[O::o_dw];
  std::vector<double> dw_sum(static_cast<size_t>(dw.size()));
  for (int64_t t = 0; t < x.dim[0]; ++t) {
    const int64_t label = checked_index(call.in[O::labels], t, -1, vocabulary, call.flags);
    std::vector<double> row = logits(x, t, w, scale), dx(static_cast<size_t>(d));
    for (int64_t j = 0; label >= 0 && j < vocabulary; ++j) {
      const double softmax = std::exp(row[j] - call.in[O::lse].get(t));
      const double dlogit = scale * call.in[O::g].get(t) * ((j == label ? 1 : 0) - softmax);
      for (int64_t c = 0; c < d; ++c) {
        dx[c] += dlogit * w.get(j * d + c);
        if (dw) dw_sum[j * d + c] += dlogit * x.get(t * d + c);
      }
    }
    for (int64_t c = 0; c < d; ++c) call.out[O::o_dx].set(t * d + c, dx[c]);
  }
  for (int64_t e = 0; e < dw.size(); ++e) dw.set(e, dw_sum[e]);
}

}  // namespace ht
