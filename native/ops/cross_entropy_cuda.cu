// Cross-entropy fused with the head on the device: logits exist in registers only.
//
// A block takes 128 tokens and a span of the vocabulary (cross_entropy_tile_cuda.cuh). Every thread folds the logits it holds into a
// running maximum and sum of exponentials per row (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax") and
// keeps the label's logit where it meets it; threads that share a row join theirs once, at the end of the span. A second kernel joins
// the spans, a warp per token. Spans depend on the shape alone; their number makes some four waves of blocks.
// Bytes moved: x once per span and W once per tile of tokens, from the L2 where blocks run side by side; 8 bytes per token and span.
#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "ops/cross_entropy_tile_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int64_t kBlocks = 1024;  // about four waves of two blocks per multiprocessor
constexpr int kWarps = 8, kThreads = kWarps * kWarp;

// log sum exp so far is max + log(sum). An empty one is {-inf, 0}.
struct Normalizer {
  float max, sum;
};

__device__ __forceinline__ float minus_infinity() { return __uint_as_float(0xff800000u); }

// Differences to it stay defined while nothing has been met.
__device__ __forceinline__ float shift_of(float max) { return max == minus_infinity() ? 0.0f : max; }

__device__ __forceinline__ Normalizer join(const Normalizer& a, const Normalizer& b) {
  const float max = fmaxf(a.max, b.max), shift = shift_of(max);
  return {max, a.sum * __expf(a.max - shift) + b.sum * __expf(b.max - shift)};
}

template <int Lanes>
__device__ __forceinline__ Normalizer join_lanes(Normalizer n) {
#pragma unroll
  for (int o = Lanes / 2; o > 0; o /= 2) n = join(n, {__shfl_xor_sync(kAllLanes, n.max, o), __shfl_xor_sync(kAllLanes, n.sum, o)});
  return n;
}

// spans[token, blockIdx.y]: of `tiles` tiles of the vocabulary.
template <class Head>
__global__ void __launch_bounds__(Head::kThreads, Head::kBlocksPerSm) head_normalizer_kernel(HeadProblem p, const int32_t* labels, int64_t tiles, Normalizer* spans, float* label_logits) {
  DYN_SHARED(char, shared);
  SHARED(Normalizer, of_warps, [Head::kTokens][Head::kWarpsPerRow]);
  const int64_t t0 = int64_t{blockIdx.x} * Head::kTokens, first = blockIdx.y * tiles;
  const int64_t all = (p.vocabulary + Head::kVocabulary - 1) / Head::kVocabulary, count = first + tiles < all ? tiles : all - first;

  Normalizer rows[Head::kRows];
#pragma unroll
  for (int r = 0; r < Head::kRows; ++r) rows[r] = {minus_infinity(), 0};

  Head head;
  for_each_head_tile(head, shared, p, t0, first * Head::kVocabulary, count, [&](int64_t v0) {
    const int inside = static_cast<int>(p.vocabulary - v0 < Head::kVocabulary ? p.vocabulary - v0 : Head::kVocabulary);
#pragma unroll
    for (int r = 0; r < Head::kRows; ++r) {
      float logit[Head::kColumns], max = rows[r].max;
#pragma unroll
      for (int c = 0; c < Head::kColumns; ++c) {
        logit[c] = Head::column(c) < inside ? p.scale * head.at(r, c) : minus_infinity();
        max = fmaxf(max, logit[c]);
      }
      const float shift = shift_of(max);
      float sum = rows[r].sum * __expf(rows[r].max - shift);
#pragma unroll
      for (int c = 0; c < Head::kColumns; ++c) sum += __expf(logit[c] - shift);
      rows[r] = {max, sum};

      const int64_t t = t0 + Head::row(r), label = t < p.tokens ? checked_index(labels[t], -1, p.vocabulary, nullptr) - v0 : -1;
      if (label < 0 || label >= Head::kVocabulary) continue;
#pragma unroll
      for (int c = 0; c < Head::kColumns; ++c)
        if (Head::column(c) == label) label_logits[t] = logit[c];
    }
  });

#pragma unroll
  for (int r = 0; r < Head::kRows; ++r) {
    const Normalizer joined = join_lanes<Head::kLanes>(rows[r]);
    if (threadIdx.x % Head::kLanes == 0) of_warps[Head::row(r)][Head::warp_in_row()] = joined;
  }
  __syncthreads();
  const int64_t t = t0 + threadIdx.x;
  if (threadIdx.x >= Head::kTokens || t >= p.tokens) return;
  Normalizer joined = of_warps[threadIdx.x][0];
  for (int w = 1; w < Head::kWarpsPerRow; ++w) joined = join(joined, of_warps[threadIdx.x][w]);
  spans[t * gridDim.y + blockIdx.y] = joined;
}

__global__ void __launch_bounds__(kThreads) join_spans_kernel(const Normalizer* spans, int64_t count, const float* label_logits, const int32_t* labels, int64_t tokens, int64_t vocabulary, float* logp,
                                                              float* lse, int32_t* bad_index) {
  const int64_t t = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  if (t >= tokens) return;
  Normalizer all{minus_infinity(), 0};
  for (int64_t s = lane; s < count; s += kWarp) all = join(all, spans[t * count + s]);
  all = join_lanes<kWarp>(all);
  if (lane != 0) return;
  const float log_sum = logf(all.sum);
  lse[t] = all.max + log_sum;
  logp[t] = checked_index(labels[t], -1, vocabulary, bad_index) < 0 ? 0.0f : label_logits[t] - all.max - log_sum;
}

}  // namespace

void cross_entropy_cuda(const Call& c, Launcher& l) {
  using Op = op::cross_entropy;
  const Tensor &x = c.in[Op::x], &w = c.in[Op::w], &labels = c.in[Op::labels];
  const HeadProblem p{x.data, w.data, x.dim[0], w.dim[0], x.dim[1], c.attr[Op::a_scale].f};
  float* const label_logits = l.scratch<float>(p.tokens);
  with_head(x, w, [&](auto head) {
    using Head = decltype(head);
    const int64_t token_tiles = (p.tokens + Head::kTokens - 1) / Head::kTokens, tiles = vocabulary_tiles<Head>(p.vocabulary);
    const int64_t wanted = std::max<int64_t>(1, std::min(tiles, kBlocks / std::max<int64_t>(1, token_tiles)));
    const int64_t span = (tiles + wanted - 1) / wanted, count = span ? (tiles + span - 1) / span : 0;
    // A bound of tokens * count that grows with every dimension: count is at most tiles, and kBlocks / token_tiles or 1.
    Normalizer* const spans = l.scratch<Normalizer>(std::min(tiles * p.tokens, Head::kTokens * std::max(kBlocks, token_tiles)));
    l.launch(head_normalizer_kernel<Head>, dim3(static_cast<unsigned>(token_tiles), static_cast<unsigned>(count)), dim3(Head::kThreads), head_shared_bytes<Head>, p, data<int32_t>(labels), span, spans,
             label_logits);
    l.launch(join_spans_kernel, dim3(blocks_for(p.tokens, kWarps)), dim3(kThreads), 0, spans, count, label_logits, data<int32_t>(labels), p.tokens, p.vocabulary, data<float>(c.out[Op::o_logp]),
             data<float>(c.out[Op::o_lse]), l.bad_index());
  });
}

}  // namespace ht::cuda
