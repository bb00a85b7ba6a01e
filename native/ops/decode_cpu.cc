// Fast kernels of decoding over logits [rows, vocabulary]: one row is one piece of work.
#ifndef HT_ISA_PASS
#include "ops/decode.h"

#include <vector>

#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#define HT_KERNELS "ops/decode_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void log_softmax_cpu(const Call& c) {
  const Tensor& x = c.in[op::log_softmax::x];
  Tensor& y = c.out[op::log_softmax::o_y];
  const int64_t vocab = x.dim[1];
  with_type(x.dtype, [&](auto type) {
    using X = decltype(type);
    auto* kernel = HT_DISPATCH(log_softmax_row<X>);
    cpu::parallel(x.dim[0], [&](int64_t r, int) { kernel(data_of<X>(x) + r * vocab, y.f32() + r * vocab, vocab); });
  });
}

void top_k_cpu(const Call& c) {
  using Op = op::top_k;
  const Tensor& x = c.in[Op::x];
  Tensor &value = c.out[Op::o_value], &id = c.out[Op::o_id];
  const int64_t vocab = x.dim[1], k = c.attr[Op::a_k].i;
  with_type(x.dtype, [&](auto type) {
    using X = decltype(type);
    auto* kernel = HT_DISPATCH(top_k_row<X>);
    cpu::parallel(x.dim[0], [&](int64_t r, int) {
      kernel(data_of<X>(x) + r * vocab, vocab, value.f32() + r * k, id.i32() + r * k, k);
    });
  });
}

void sample_cpu(const Call& c) {
  using Op = op::sample;
  const Tensor& x = c.in[Op::x];
  const int64_t rows = x.dim[0], vocab = x.dim[1], room = c.in[Op::history].dim[1];
  std::vector<SampleRow> picked(rows, {-1, 0.0});
  with_type(x.dtype, [&](auto type) {
    using X = decltype(type);
    auto* largest = HT_DISPATCH(largest_usable<X>);
    auto* sum_exp = HT_DISPATCH(sum_exp_usable<X>);
    cpu::parallel(rows, [&](int64_t r, int) {
      if (!row_is_open(c, r)) return;
      const X* logits = data_of<X>(x) + r * vocab;
      const float top = largest(logits, vocab);
      if (top == -HUGE_VALF) return;
      const SampleParams params(c.in[Op::params], r, vocab, room);
      int64_t token = 0;
      if (params.temperature == 0) {
        while (usable_logit(x.get(r * vocab + token)) != top) ++token;
      } else {
        TokenPicker picker(vocab);
        for (int64_t i = 0; i < vocab; ++i) picker.logit[i] = usable_logit(x.get(r * vocab + i));
        token = picker.pick(params, sample_uniform(c.in[Op::seed].i32() + 2 * r, std::max(c.in[Op::length].i32()[r], 0)));
      }
      picked[r] = {token, usable_logit(x.get(r * vocab + token)) - top - std::log(sum_exp(logits, vocab, top))};
    });
  });
  finish_sample(c, picked.data());
}

}  // namespace ht
#else
// usable_logit() for a vector: NaN becomes -inf, +inf the largest finite number.
HT_INLINE Vec usable(Vec x) {
  const Vec bounded = min(x, Vec::set1(FLT_MAX));
  return select(x == x, bounded, Vec::set1(-HUGE_VALF));
}

// Lanes past the end must not count: they read as 0.
template <class X>
HT_INLINE Vec load_or_lowest(const X* x, int lanes) {
  if (lanes == Vec::lanes) return Vec::load(x);
  float part[Vec::lanes];
  for (float& p : part) p = -HUGE_VALF;
  Vec::load(x, lanes).store(part, lanes);
  return Vec::load(part);
}

template <class X>
void log_softmax_row(const X* x, float* y, int64_t n) {
  Vec top = Vec::set1(-HUGE_VALF);
  for_each_vec(n, [&](int64_t i, int lanes) { top = max(top, load_or_lowest(x + i, lanes)); });
  const float most = hmax(top);
  if (most == -HUGE_VALF) {
    std::fill(y, y + n, -HUGE_VALF);
    return;
  }
  Vec total[2] = {Vec::zero(), Vec::zero()};
  for_each_vec(n, [&](int64_t i, int lanes) {
    Vec& t = total[i / Vec::lanes % 2];
    t = t + exp(load_or_lowest(x + i, lanes) - Vec::set1(most));
  });
  const Vec lse = Vec::set1(std::log(sum(total[0] + total[1]))), shift = Vec::set1(most);
  for_each_vec(n, [&](int64_t i, int lanes) { (Vec::load(x + i, lanes) - shift - lse).store(y + i, lanes); });
}

template <class X>
float largest_usable(const X* x, int64_t n) {
  Vec top = Vec::set1(-HUGE_VALF);
  for_each_vec(n, [&](int64_t i, int lanes) { top = max(top, usable(load_or_lowest(x + i, lanes))); });
  return hmax(top);
}

template <class X>
double sum_exp_usable(const X* x, int64_t n, float top) {
  Vec total[2] = {Vec::zero(), Vec::zero()};
  for_each_vec(n, [&](int64_t i, int lanes) {
    Vec& t = total[i / Vec::lanes % 2];
    t = t + exp(usable(load_or_lowest(x + i, lanes)) - Vec::set1(top));
  });
  return sum(total[0] + total[1]);
}

// The list so far is sorted; a block whose largest element does not beat the list's last is skipped.
template <class X>
void top_k_row(const X* x, int64_t n, float* value, int32_t* id, int64_t k) {
  int64_t found = 0;
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec nan_is_lowest = load_or_lowest(x + i, lanes);
    const Vec block = select(nan_is_lowest == nan_is_lowest, nan_is_lowest, Vec::set1(-HUGE_VALF));
    if (found == k && !(hmax(block) > value[k - 1])) return;
    float element[Vec::lanes];
    block.store(element);
    for (int lane = 0; lane < lanes; ++lane) {
      if (found == k && !(element[lane] > value[k - 1])) continue;
      int64_t at = found < k ? found++ : k - 1;
      for (; at > 0 && element[lane] > value[at - 1]; --at) {
        value[at] = value[at - 1];
        id[at] = id[at - 1];
      }
      value[at] = element[lane];
      id[at] = static_cast<int32_t>(i + lane);
    }
  });
  std::fill(value + found, value + k, -HUGE_VALF);  // fewer than k tokens exist
  std::fill(id + found, id + k, -1);
}
#endif
