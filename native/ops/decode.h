// Choosing the next token: what the reference and the fast kernel share.
#pragma once
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "core/tensor.h"

namespace ht {

// A logit as decoding sees it: NaN can never be chosen, and +inf is the largest finite number, so that differences exist.
inline double usable_logit(double x) {
  if (!(x > -HUGE_VAL)) return -HUGE_VAL;
  return x > FLT_MAX ? FLT_MAX : x;
}

// How one row samples: params[r] of the op `sample`.
struct SampleParams {
  double temperature;  // 0: greedy
  int64_t top_k;       // 0: off
  double top_p;        // 1: off
  int64_t limit;       // the row is done at this length

  // Values that make no sense switch their rule off; `room` is the length of history.
  SampleParams(const Tensor& params, int64_t row, int64_t vocab, int64_t room) {
    const double t = params.get(row * 4), k = params.get(row * 4 + 1), p = params.get(row * 4 + 2), n = params.get(row * 4 + 3);
    temperature = t > 0 ? t : 0;
    top_k = k >= 1 && k < vocab ? static_cast<int64_t>(k) : 0;
    top_p = p < 1 ? p : 1;
    limit = n < room ? (n > 0 ? static_cast<int64_t>(n) : 0) : room;
  }
};

// The one random number of a draw: it depends on the row's seed and length alone.
HT_HOST_DEVICE inline double sample_uniform(const int32_t* seed, int32_t length) {
  const Philox4 bits = philox4x32({{static_cast<uint32_t>(length), 0, 0, 0}},
                                  {static_cast<uint32_t>(seed[0]), static_cast<uint32_t>(seed[1])});
  return uniform53(bits.word[0], bits.word[1]);
}

// Picks among one row of logits. The memory is kept from row to row.
class TokenPicker {
 public:
  explicit TokenPicker(int64_t vocab) : logit(vocab), weight_(vocab), ordered_(vocab), id_(vocab) {}

  std::vector<double> logit;  // [vocab], filled by the caller with usable_logit()

  // The token, or -1 where no logit is above -inf. Temperature, then top-k (ties with the k-th stay), then top-p (the
  // smallest set from the largest down whose mass reaches p), as Hugging Face's warpers do; the draw walks the ids upwards.
  int64_t pick(const SampleParams& params, double uniform);

 private:
  double kth_largest(int64_t k);
  void keep_nucleus(double p);
  std::vector<double> weight_, ordered_;
  std::vector<int32_t> id_;
};

// The candidate of one row of the op `sample`.
struct SampleRow {
  int64_t token;  // -1: none
  double logp;
};

// Whether a row takes part: not done, with room under its limit.
bool row_is_open(const Call& call, int64_t row);

// Appends the candidates of open rows, closes rows and writes all outputs. Rows that are not open need no candidate.
void finish_sample(const Call& call, const SampleRow* rows);

}  // namespace ht
