// The parts of sampling that have no fast variant.
#include <algorithm>
#include <functional>

#include "core/ops.gen.h"
#include "ops/decode.h"
#include "ops/index.h"

namespace ht {

double TokenPicker::kth_largest(int64_t k) {
  ordered_ = logit;
  std::nth_element(ordered_.begin(), ordered_.begin() + (k - 1), ordered_.end(), std::greater<double>());
  return ordered_[k - 1];
}

// Sets to 0 every weight outside the smallest set, taken from the largest down, whose mass reaches p of the total.
// Halves the candidates around their median until the set's last member is left, in time linear in the vocabulary.
void TokenPicker::keep_nucleus(double p) {
  auto begin = id_.begin(), end = begin;
  double total = 0;
  for (size_t i = 0; i < weight_.size(); ++i) {
    total += weight_[i];
    if (weight_[i] > 0) *end++ = static_cast<int32_t>(i);
  }
  const auto before = [this](int32_t a, int32_t b) { return logit[a] != logit[b] ? logit[a] > logit[b] : a < b; };
  double missing = p * total;
  while (end - begin > 1) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, before);
    double upper = 0;
    for (auto kept = begin; kept != middle; ++kept) upper += weight_[*kept];
    if (upper >= missing) {
      for (auto dropped = middle; dropped != end; ++dropped) weight_[*dropped] = 0;
      end = middle;
    } else {
      missing -= upper;
      begin = middle;
    }
  }
}

int64_t TokenPicker::pick(const SampleParams& params, double uniform) {
  const int64_t vocab = static_cast<int64_t>(logit.size());
  int64_t best = -1;
  double top = -HUGE_VAL;
  for (int64_t i = 0; i < vocab; ++i) {
    if (logit[i] <= top) continue;
    top = logit[i];
    best = i;
  }
  if (best < 0 || params.temperature == 0) return best;

  const double lowest = params.top_k ? kth_largest(params.top_k) : -HUGE_VAL;
  for (int64_t i = 0; i < vocab; ++i) weight_[i] = logit[i] >= lowest ? std::exp((logit[i] - top) / params.temperature) : 0.0;
  if (params.top_p < 1) keep_nucleus(params.top_p);

  double left = 0;
  for (double w : weight_) left += w;
  left *= uniform;
  int64_t last = best;
  for (int64_t i = 0; i < vocab; ++i) {
    if (weight_[i] == 0) continue;
    last = i;
    left -= weight_[i];
    if (left < 0) break;
  }
  return last;  // past the end by rounding: the last possible one
}

bool row_is_open(const Call& c, int64_t row) {
  using Op = op::sample;
  const int64_t room = c.in[Op::history].dim[1];
  const int64_t length = checked_index(c.in[Op::length].i32()[row], 0, room + 1, c.flags);
  const SampleParams params(c.in[Op::params], row, c.in[Op::x].dim[1], room);
  return !c.in[Op::done].i32()[row] && length < params.limit;
}

void finish_sample(const Call& c, const SampleRow* rows) {
  using Op = op::sample;
  const Tensor &history = c.in[Op::history], &eos = c.in[Op::eos];
  Tensor length = c.in[Op::length], done = c.in[Op::done], token = c.in[Op::token];
  const int32_t pad = c.attr[Op::a_pad].i;
  const int64_t count = c.in[Op::x].dim[0], room = history.dim[1];
  bool all_done = true;
  for (int64_t r = 0; r < count; ++r) {
    int32_t next = pad;
    double logp = 0;
    if (row_is_open(c, r) && rows[r].token >= 0) {
      next = static_cast<int32_t>(rows[r].token);
      logp = rows[r].logp;
      const SampleParams params(c.in[Op::params], r, c.in[Op::x].dim[1], room);
      const int32_t at = std::max(length.i32()[r], 0);
      const_cast<int32_t*>(history.i32())[r * room + at] = next;
      token.i32()[r] = next;
      length.i32()[r] = at + 1;
      if (at + 1 >= params.limit) done.i32()[r] = 1;
      if (std::find(eos.i32(), eos.i32() + eos.size(), next) != eos.i32() + eos.size()) done.i32()[r] = 1;
    } else {
      done.i32()[r] = 1;
    }
    all_done = all_done && done.i32()[r];
    c.out[Op::o_next].i32()[r] = next;
    c.out[Op::o_logp].set(r, logp);
  }
  c.out[Op::o_stop].i32()[0] = all_done ? 1 : 0;
}

}  // namespace ht
