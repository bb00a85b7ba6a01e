// Reference kernels of decoding over logits [rows, vocabulary].
#include "ops/decode.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/ops.gen.h"
#include "ops/index.h"

namespace ht {
namespace {

// The log of a sum of exponentials is top + log_total. Apart, because beside a huge top the other is lost.
struct LogSumExp {
  double top = -HUGE_VAL, log_total = 0;

  template <class Get>
  LogSumExp(int64_t count, Get get) {
    for (int64_t i = 0; i < count; ++i) top = get(i) > top || get(i) != get(i) ? get(i) : top;
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += std::exp(get(i) - top);
    log_total = std::log(total);
  }
  // A row without any chance keeps -inf everywhere.
  double log_probability(double x) const { return top == -HUGE_VAL ? top : x - top - log_total; }
};

}  // namespace

void log_softmax_ref(const Call& c) {
  const Tensor& x = c.in[op::log_softmax::x];
  Tensor& y = c.out[op::log_softmax::o_y];
  const int64_t vocab = x.dim[1];
  for (int64_t r = 0; r < x.dim[0]; ++r) {
    const LogSumExp lse(vocab, [&](int64_t i) { return x.get(r * vocab + i); });
    for (int64_t i = 0; i < vocab; ++i) y.set(r * vocab + i, lse.log_probability(x.get(r * vocab + i)));
  }
}

void top_k_ref(const Call& c) {
  using Op = op::top_k;
  const Tensor& x = c.in[Op::x];
  Tensor &value = c.out[Op::o_value], &id = c.out[Op::o_id];
  const int64_t vocab = x.dim[1], k = c.attr[Op::a_k].i, found = std::min(k, vocab);
  std::vector<double> row(vocab);
  std::vector<int32_t> order(vocab);
  for (int64_t r = 0; r < x.dim[0]; ++r) {
    for (int64_t i = 0; i < vocab; ++i) {
      const double xi = x.get(r * vocab + i);
      row[i] = xi == xi ? xi : -HUGE_VAL;  // NaN is never among the largest
    }
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + found, order.end(),
                      [&](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    for (int64_t i = 0; i < k; ++i) {
      value.set(r * k + i, i < found ? row[order[i]] : -HUGE_VAL);
      id.i32()[r * k + i] = i < found ? order[i] : -1;  // fewer than k tokens exist
    }
  }
}

void sample_ref(const Call& c) {
  using Op = op::sample;
  const Tensor& x = c.in[Op::x];
  const int64_t rows = x.dim[0], vocab = x.dim[1], room = c.in[Op::history].dim[1];
  TokenPicker picker(vocab);
  std::vector<SampleRow> picked(rows, {-1, 0.0});
  for (int64_t r = 0; r < rows; ++r) {
    if (!row_is_open(c, r)) continue;
    for (int64_t i = 0; i < vocab; ++i) picker.logit[i] = usable_logit(x.get(r * vocab + i));
    const double u = sample_uniform(c.in[Op::seed].i32() + 2 * r, std::max(c.in[Op::length].i32()[r], 0));
    const SampleParams params(c.in[Op::params], r, vocab, room);
    picked[r].token = picker.pick(params, u);
    if (picked[r].token < 0) continue;
    const LogSumExp lse(vocab, [&](int64_t i) { return picker.logit[i]; });
    picked[r].logp = lse.log_probability(picker.logit[picked[r].token]);
  }
  finish_sample(c, picked.data());
}

}  // namespace ht
