// T5 attention over packed rows on the device. Formulas: prefix_attention_ref.cc.
//
// A block takes one head of 64 (or 128) consecutive queries of one row and goes over the columns they see in steps, with the
// online softmax: running maximum and sum per query, output kept in registers and rescaled as the maximum grows. Memory: O(S).
// Bytes moved: q and o once, k and v once per block of queries (from L2 after the first); no scores, no bias matrix.
// bf16: products on tensor cores, keys and values double-buffered by cp.async. fp32: multiply-add tiles, one buffer,
// the blocks of a multiprocessor cover each other's loads.
// Rows with one query each (no q_offsets) are a decoding step: prefix_attention_single.cuh.
#include "ops/prefix_attention_ffma.cuh"
#include "ops/prefix_attention_mma.cuh"
#include "ops/prefix_attention_single.cuh"
#include "ops/prefix_attention_tile.cuh"

namespace ht::cuda {
namespace {

template <class E>
constexpr size_t forward_shared_bytes() {
  return (E::kRows + 2 * E::kStages * E::kCols) * E::kStride * sizeof(typename E::Shared) + (E::kWarps * E::kExchange + E::kStages * StepBias<E>::kFloats) * sizeof(float);
}

template <class E>
__global__ void __launch_bounds__(E::kThreads, E::kMinBlocks) attention_kernel(AttentionView a, Rows o, float* lse) {
  using Shared = typename E::Shared;
  constexpr int kKeyTile = E::kCols * E::kStride;
  const QueryTile t = query_tile<E>(a, blockIdx.x, static_cast<int>(blockIdx.y));
  if (!t.exists) return;
  DYN_SHARED(unsigned char, memory);
  Shared* const queries = reinterpret_cast<Shared*>(memory);
  Shared* const keys = queries + E::kRows * E::kStride;
  Shared* const values = keys + E::kStages * kKeyTile;
  float* const exchange = reinterpret_cast<float*>(values + E::kStages * kKeyTile);
  float* const biases = exchange + E::kWarps * E::kExchange;

  const int warp = static_cast<int>(threadIdx.x) / kWarp, warp_row = warp * E::kWarpRows;
  const Alignment aligned(a);
  const bool q_aligned = is_aligned(a.q, a.head_dim);
  const Chunks<E> chunks(a, static_cast<int>(blockIdx.z));
  const auto stage_queries = [&](int chunk) {
    stage_rows<E, E::kRows>(queries, a.q, channels_of(a, t.head, chunk, E::kDim), q_aligned, [&](int i) { return i < t.count ? t.row.q0 + t.first + i : int64_t{-1}; });
  };

  float s[E::kThreadRows][E::kThreadCols] = {}, out[E::kThreadRows][E::kThreadChannels] = {}, largest[E::kThreadRows], total[E::kThreadRows];
#pragma unroll
  for (int i = 0; i < E::kThreadRows; ++i) largest[i] = -INFINITY, total[i] = 0;

  if (chunks.count == 1) stage_queries(0);
  const int steps = (t.columns + E::kCols - 1) / E::kCols * chunks.count;
  pipeline<E::kStages>(steps, [&](int step, int buffer) {
    const int c = step / chunks.count * E::kCols, chunk = chunks.at(step);
    const Channels channels = channels_of(a, t.head, chunk, E::kDim);
    if (chunks.count > 1) stage_queries(chunk);
    stage_columns<E>(a, t, c, keys + buffer * kKeyTile, a.k, aligned.k, a.pk, aligned.pk, channels);
    if (!chunks.is_last(step)) return;
    stage_columns<E>(a, t, c, values + buffer * kKeyTile, a.v, aligned.v, a.pv, aligned.pv, channels);
    StepBias<E>(a, t, c).stage(a, t, c, biases + buffer * StepBias<E>::kFloats);
  }, [&](int step, int buffer) {
    const int c = step / chunks.count * E::kCols;
    E::add_scores(s, queries + warp_row * E::kStride, keys + buffer * kKeyTile);
    if (!chunks.is_last(step)) return;
    StepBias<E>(a, t, c).add(s, t, c, warp_row, biases + buffer * StepBias<E>::kFloats);
#pragma unroll
    for (int i = 0; i < E::kThreadRows; ++i) {
      float most = largest[i];
#pragma unroll
      for (int j = 0; j < E::kThreadCols; ++j) most = fmaxf(most, s[i][j]);
      most = E::row_max(most);
      const float base = most == -INFINITY ? 0.0f : most * kLog2E;  // a query that sees nothing yet keeps zeros
      const float shrink = exp2f(largest[i] * kLog2E - base);
      largest[i] = most;
      total[i] *= shrink;
#pragma unroll
      for (int j = 0; j < E::kThreadCols; ++j) {
        s[i][j] = exp2f(s[i][j] * kLog2E - base);
        total[i] += s[i][j];
      }
#pragma unroll
      for (int n = 0; n < E::kThreadChannels; ++n) out[i][n] *= shrink;
    }
    E::add_product(out, s, values + buffer * kKeyTile, exchange + warp * E::kExchange);
#pragma unroll
    for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
      for (int j = 0; j < E::kThreadCols; ++j) s[i][j] = 0;
  });

  const Channels channels = channels_of(a, t.head, chunks.last, E::kDim);
  const bool paired = can_pair(o, a.head_dim);
#pragma unroll
  for (int i = 0; i < E::kThreadRows; ++i) {
    const float sum = E::row_sum(total[i]);
    const int query = warp_row + E::row(i);
    if (query >= t.count) continue;
    const int64_t token = t.row.q0 + t.first + query;
    const bool sees_nothing = largest[i] == -INFINITY && sum == 0;
    const float inverse = sees_nothing ? 0.0f : 1.0f / sum;
#pragma unroll
    for (int n = 0; n < E::kThreadChannels; n += 2)
      store_two(o, token * channels.inner + channels.first + E::channel(n), out[i][n] * inverse, out[i][n + 1] * inverse, channels.count - E::channel(n), paired);
    if (lse && chunks.last == 0 && E::col(0) == 0) lse[token * a.heads + t.head] = sees_nothing ? -INFINITY : largest[i] + logf(sum);
  }
}

template <class E>
void attention(Launcher& l, const AttentionView& a, const Rows& o, float* lse) {
  const dim3 grid(row_tiles(a.query_tokens, a.rows, E::kRows), static_cast<unsigned>(a.heads), blocks_for(a.head_dim, E::kDim));
  l.launch(attention_kernel<E>, grid, dim3(E::kThreads), forward_shared_bytes<E>(), a, o, lse);
}

}  // namespace

void prefix_attention_cuda(const Call& c, Launcher& l) {
  using Op = op::prefix_attention;
  const AttentionView a = packed_view(c, l, Op{});
  const Tensor &q = c.in[Op::q], &k = c.in[Op::k], &v = c.in[Op::v];
  const Rows o = Rows::of(c.out[Op::o_o]);
  float* const lse = data<float>(c.out[Op::o_lse]);
  if (!c.in[Op::q_offsets]) return single_attention(l, PackedKeys{a}, k.dtype, v.dtype, o, lse);
  if (!uses_tensor_cores(q, k, v, a.head_dim)) {
    if (a.head_dim <= 64) return attention<FusedMultiplyAdd<64, 64>>(l, a, o, lse);
    return attention<FusedMultiplyAdd<128, 64>>(l, a, o, lse);
  }
  if (a.head_dim > 64) return attention<TensorCores<128, 1, 64, 2>>(l, a, o, lse);
  // Long rows: two blocks of 16 queries per warp halve the reads of keys from shared memory.
  if (a.query_tokens >= int64_t{96} * a.rows) return attention<TensorCores<64, 2, 64, 2>>(l, a, o, lse);
  return attention<TensorCores<64, 1, 64, 3>>(l, a, o, lse);
}

}  // namespace ht::cuda
