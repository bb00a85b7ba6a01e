// Reference kernel of the constraints on the next token, with the meaning of Hugging Face's logits processors.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/ops.gen.h"
#include "ops/index.h"

namespace ht {
namespace {

// One row being constrained: its scores, and what was generated so far.
struct Row {
  double* score;
  int64_t vocab;
  const int32_t* history;
  int64_t length;
  RunFlags* flags;

  void forbid(int64_t id) { score[checked_index(id, 0, vocab, flags)] = -HUGE_VAL; }
};

// CTRL's penalty (Keskar et al. 2019, section 4.1): every id seen becomes less likely, once however often it was seen.
void repetition_penalty(Row& row, double penalty) {
  std::vector<char> seen(row.vocab, 0);
  for (int64_t t = 0; t < row.length; ++t) {
    const int64_t id = checked_index(row.history[t], 0, row.vocab, row.flags);
    if (seen[id]) continue;
    seen[id] = 1;
    row.score[id] = row.score[id] < 0 ? row.score[id] * penalty : row.score[id] / penalty;
  }
}

// Forbids every token that would complete an n-gram which the row already holds; n = 1 forbids every token seen.
void no_repeat_ngram(Row& row, int64_t n) {
  if (n > row.length) return;
  const int32_t* suffix = row.history + row.length - (n - 1);
  for (int64_t t = 0; t + n <= row.length; ++t)
    if (std::equal(suffix, suffix + (n - 1), row.history + t)) row.forbid(row.history[t + n - 1]);
}

// A sequence of one token is always forbidden, unless it is an end token; of a longer one the last token is, where the
// row ends in the others. The row must be at least as long as the whole sequence, as in NoBadWordsLogitsProcessor.
void banned_sequences(Row& row, const Tensor& banned, const Tensor& eos) {
  const int64_t width = banned.dim[1];
  for (int64_t b = 0; b < banned.dim[0]; ++b) {
    const int32_t* sequence = banned.i32() + b * width;
    const int64_t n = std::find_if(sequence, sequence + width, [](int32_t id) { return id < 0; }) - sequence;
    if (n == 0) continue;
    const int32_t last = sequence[n - 1];
    if (n == 1) {
      const bool is_end = eos && std::find(eos.i32(), eos.i32() + eos.size(), last) != eos.i32() + eos.size();
      if (!is_end) row.forbid(last);
    } else if (n <= row.length && std::equal(sequence, sequence + n - 1, row.history + row.length - (n - 1))) {
      row.forbid(last);
    }
  }
}

}  // namespace

void logit_rules_ref(const Call& c) {
  using Op = op::logit_rules;
  const Tensor &x = c.in[Op::x], &history = c.in[Op::history], &eos = c.in[Op::eos], &banned = c.in[Op::banned];
  const Tensor& suppress = c.in[Op::suppress];
  Tensor& y = c.out[Op::o_y];
  const double penalty = c.attr[Op::a_repetition_penalty].f;
  const int64_t ngram = c.attr[Op::a_no_repeat_ngram].i, min_length = c.attr[Op::a_min_length].i;
  const int64_t vocab = x.dim[1], room = history.dim[1];
  std::vector<double> score(vocab);
  for (int64_t r = 0; r < (vocab ? x.dim[0] : 0); ++r) {
    for (int64_t i = 0; i < vocab; ++i) score[i] = x.get(r * vocab + i);
    const int64_t length = checked_index(c.in[Op::length].i32()[r], 0, room + 1, c.flags);
    Row row{score.data(), vocab, history.i32() + r * room, length, c.flags};
    if (penalty != 1) repetition_penalty(row, penalty);
    if (ngram > 0) no_repeat_ngram(row, ngram);
    if (banned) banned_sequences(row, banned, eos);
    if (length < min_length)
      for (int64_t i = 0; i < eos.size(); ++i) row.forbid(eos.i32()[i]);
    for (int64_t i = 0; i < suppress.size(); ++i) row.forbid(suppress.i32()[i]);
    for (int64_t i = 0; i < vocab; ++i) y.set(r * vocab + i, score[i]);
  }
}

}  // namespace ht
