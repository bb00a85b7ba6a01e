// Gradients of queries and of biases: a block owns one head of E::kRows queries of a row and goes over the columns they see.
// The bias gradient of a query tile is the sum of ds per distance, then per bucket. ds of a warp goes through shared memory
// once; each lane adds up whole diagonals, neighbouring lanes with the same bucket add theirs by shuffles in a fixed order, and
// the last of them adds to the warp's own table. Steps that lie in one bucket altogether skip that: one sum. Tables of all tiles
// are added up by a second kernel, in the order of tiles.
#pragma once
#include "ops/prefix_attention_key_grad.cuh"

namespace ht::cuda {

// Sums of ds per tile of queries; null: not wanted.
struct BiasSums {
  float* buckets;  // [heads, buckets, tiles]
  float* prefix;   // [heads, tiles]
  int32_t* slots;  // [tiles]: the slot of the tile's row, -1: none
  int bucket_count, tiles;
};

template <class E>
struct QueryGradShared {
  static constexpr int kQueryTile = E::kRows * E::kStride, kKeyTile = E::kCols * E::kStride;
  static constexpr int kDiagonalStride = E::kCols + 8, kScratch = E::kWarpRows * kDiagonalStride;  // per warp; also what add_product exchanges
  static_assert(kScratch >= E::kExchange, "exchange");
  static constexpr size_t bytes(int64_t buckets) {
    return (2 * kQueryTile + 2 * E::kStages * kKeyTile) * sizeof(typename E::Shared) +
           (E::kStages * StepBias<E>::kFloats + E::kWarps * kScratch + E::kRows + E::kWarps * static_cast<size_t>(buckets)) * sizeof(float);
  }
};

// The warp's ds of the step at column c, into its table.
template <class E>
__device__ __forceinline__ void add_bias_sums(const AttentionView& a, const QueryTile& t, const StepBias<E>& bias, const float (&ds)[E::kThreadRows][E::kThreadCols], int c, int warp_row,
                                              float* scratch, float* table) {
  constexpr int kStride = QueryGradShared<E>::kDiagonalStride, kDiagonals = E::kWarpRows + E::kCols - 1;
  const int lane = E::lane();
  if (bias.flat) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
      for (int j = 0; j < E::kThreadCols; ++j) sum += ds[i][j];
    sum = warp_sum(sum);
    if (lane == 0) table[bucket_at(a, distance_at(t, c))] += sum;
    __syncwarp();
    return;
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
    for (int j = 0; j < E::kThreadCols; ++j) scratch[E::row(i) * kStride + E::col(j)] = c + E::col(j) < t.window_from ? 0.0f : ds[i][j];
  __syncwarp();
  for (int base = 0; base < kDiagonals; base += kWarp) {
    const int diagonal = base + lane, first_col = diagonal - (E::kWarpRows - 1);
    float sum = 0;
#pragma unroll
    for (int i = 0; i < E::kWarpRows; ++i)
      if (first_col + i >= 0 && first_col + i < E::kCols) sum += scratch[i * kStride + first_col + i];
    const int bucket = diagonal < kDiagonals ? bucket_at(a, distance_at(t, c) - warp_row + first_col) : -1;
#pragma unroll
    for (int o = 1; o < kWarp; o *= 2) {
      const float before = __shfl_up_sync(kAllLanes, sum, o);
      const int before_bucket = __shfl_up_sync(kAllLanes, bucket, o);
      if (lane >= o && before_bucket == bucket) sum += before;
    }
    const int next = __shfl_down_sync(kAllLanes, bucket, 1);
    if (bucket >= 0 && (lane == kWarp - 1 || next != bucket)) table[bucket] += sum;
    __syncwarp();
  }
}

// delta = do . o of the warp's queries, with do as the products see it, so that ds of a query sums up to zero. Eight lanes share a
// row, all rows' loads are under way at once.
template <class E>
__device__ __forceinline__ void compute_deltas(const AttentionView& a, const GradView& g, const QueryTile& t, int warp_row, bool publishes, float* deltas) {
  constexpr int kPasses = E::kWarpRows / 4;
  const int lane = E::lane(), part = lane % 8 * 8;
  const int64_t token0 = t.row.q0 + t.first, inner = int64_t{a.heads} * a.head_dim, at_head = int64_t{t.head} * a.head_dim;
  const bool aligned = a.head_dim % 8 == 0 && is_aligned(g.d_o, a.head_dim) && is_aligned(g.o, a.head_dim);
  const auto query_of = [&](int pass) { return warp_row + 4 * pass + lane / 8; };
  float sum[kPasses] = {};
  for (int c = part; c - part < a.head_dim; c += 64) {
    RawEight<2> d_raw[kPasses], o_raw[kPasses];
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int64_t at = (token0 + query_of(pass)) * inner + at_head + c;
      const bool exists = aligned && query_of(pass) < t.count && c < a.head_dim;
      d_raw[pass] = load_raw<2>(g.d_o, at, exists);
      o_raw[pass] = load_raw<2>(g.o, at, exists);
    }
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int64_t at = (token0 + query_of(pass)) * inner + at_head + c;
      const int count = query_of(pass) < t.count ? a.head_dim - c : 0;
      Eight d = aligned ? widen(d_raw[pass], g.d_o.is_bf16) : load_eight(g.d_o, at, count);
      const Eight o = aligned ? widen(o_raw[pass], g.o.is_bf16) : load_eight(g.o, at, count);
#pragma unroll
      for (int x = 0; x < 8; ++x) d.x[x] = to_float(typename E::Shared(d.x[x]));
      sum[pass] += dot(d, o);
      if (!g.d_copy || !publishes || count <= 0) continue;
      if (a.head_dim % 8 == 0)
        *reinterpret_cast<uint4*>(g.d_copy + at) = make_uint4(pack_bf16(d.x[0], d.x[1]), pack_bf16(d.x[2], d.x[3]), pack_bf16(d.x[4], d.x[5]), pack_bf16(d.x[6], d.x[7]));
      else
        for (int x = 0; x < 8 && x < count; ++x) store(g.d_copy + at + x, d.x[x]);
    }
  }
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
#pragma unroll
    for (int o = 1; o < 8; o *= 2) sum[pass] += __shfl_xor_sync(kAllLanes, sum[pass], o);
    if (lane % 8 != 0 || query_of(pass) >= t.count) continue;
    deltas[query_of(pass)] = sum[pass];
    if (publishes) g.delta[(token0 + query_of(pass)) * a.heads + t.head] = sum[pass];
  }
}

template <class E>
__global__ void __launch_bounds__(E::kThreads, E::kMinBlocks) query_gradient_kernel(AttentionView a, GradView g, BiasSums sums, Rows dq) {
  using Shared = typename E::Shared;
  using Layout = QueryGradShared<E>;
  const QueryTile t = query_tile<E>(a, blockIdx.x, static_cast<int>(blockIdx.y));
  const Chunks<E> chunks(a, static_cast<int>(blockIdx.z));
  const bool sums_buckets = sums.buckets && chunks.last == 0, sums_prefix = sums.prefix && chunks.last == 0;
  const auto bucket_place = [&](int b) { return (int64_t{t.head} * sums.bucket_count + b) * sums.tiles + blockIdx.x; };
  if (sums_prefix && t.head == 0 && threadIdx.x == 0) sums.slots[blockIdx.x] = t.exists ? t.row.slot : -1;
  if (!t.exists) {
    for (int b = threadIdx.x; sums_buckets && b < sums.bucket_count; b += E::kThreads) sums.buckets[bucket_place(b)] = 0;
    return;
  }
  DYN_SHARED(unsigned char, memory);
  Shared* const queries = reinterpret_cast<Shared*>(memory);
  Shared* const grads = queries + Layout::kQueryTile;
  Shared* const keys = grads + Layout::kQueryTile;
  Shared* const values = keys + E::kStages * Layout::kKeyTile;
  float* const biases = reinterpret_cast<float*>(values + E::kStages * Layout::kKeyTile);
  float* const scratch = biases + E::kStages * StepBias<E>::kFloats + (threadIdx.x / kWarp) * Layout::kScratch;
  float* const deltas = biases + E::kStages * StepBias<E>::kFloats + E::kWarps * Layout::kScratch;
  float* const tables = deltas + E::kRows;

  const int warp = static_cast<int>(threadIdx.x) / kWarp, warp_row = warp * E::kWarpRows;
  float* const table = tables + warp * sums.bucket_count;
  for (int b = E::lane(); b < sums.bucket_count; b += kWarp) table[b] = 0;
  const Alignment aligned(a);
  const bool q_aligned = is_aligned(a.q, a.head_dim), d_aligned = is_aligned(g.d_o, a.head_dim);
  const auto stage_queries = [&](const Channels& channels) {
    const auto row_of = [&](int i) { return i < t.count ? t.row.q0 + t.first + i : int64_t{-1}; };
    stage_rows<E, E::kRows>(queries, a.q, channels, q_aligned, row_of);
    stage_rows<E, E::kRows>(grads, g.d_o, channels, d_aligned, row_of);
  };
  if (chunks.count == 1) stage_queries(channels_of(a, t.head, 0, E::kDim));

  const int64_t token0 = t.row.q0 + t.first;
  compute_deltas<E>(a, g, t, warp_row, chunks.last == 0, deltas);
  __syncwarp();
  float lse[E::kThreadRows], delta[E::kThreadRows];
#pragma unroll
  for (int i = 0; i < E::kThreadRows; ++i) {
    const int query = warp_row + E::row(i);
    lse[i] = query < t.count ? g.lse[(token0 + query) * a.heads + t.head] : -INFINITY;
    if (lse[i] == -INFINITY) lse[i] = INFINITY;  // sees nothing: probabilities become 0
    delta[i] = query < t.count ? deltas[query] : 0.0f;
  }

  float s[E::kThreadRows][E::kThreadCols] = {}, dp[E::kThreadRows][E::kThreadCols] = {}, dq_sum[E::kThreadRows][E::kThreadChannels] = {}, prefix_sum = 0;
  const int steps = (t.columns + E::kCols - 1) / E::kCols * chunks.count;
  pipeline<E::kStages>(steps, [&](int step, int buffer) {
    const int c = step / chunks.count * E::kCols;
    const Channels channels = channels_of(a, t.head, chunks.at(step), E::kDim);
    if (chunks.count > 1) stage_queries(channels);
    stage_columns<E>(a, t, c, keys + buffer * Layout::kKeyTile, a.k, aligned.k, a.pk, aligned.pk, channels);
    stage_columns<E>(a, t, c, values + buffer * Layout::kKeyTile, a.v, aligned.v, a.pv, aligned.pv, channels);
    if (chunks.is_last(step)) StepBias<E>(a, t, c).stage(a, t, c, biases + buffer * StepBias<E>::kFloats);
  }, [&](int step, int buffer) {
    const int c = step / chunks.count * E::kCols;
    E::add_scores(s, queries + warp_row * E::kStride, keys + buffer * Layout::kKeyTile);
    E::add_scores(dp, grads + warp_row * E::kStride, values + buffer * Layout::kKeyTile);
    if (!chunks.is_last(step)) return;
    const StepBias<E> bias(a, t, c);
    bias.add(s, t, c, warp_row, biases + buffer * StepBias<E>::kFloats);
#pragma unroll
    for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
      for (int j = 0; j < E::kThreadCols; ++j) dp[i][j] = exp2f((s[i][j] - lse[i]) * kLog2E) * (dp[i][j] - delta[i]);
    if (sums_prefix && c < t.row.prefix_len) {
#pragma unroll
      for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
        for (int j = 0; j < E::kThreadCols; ++j) prefix_sum += c + E::col(j) < t.row.prefix_len ? dp[i][j] : 0.0f;
    }
    if (sums_buckets && c + E::kCols > t.window_from) add_bias_sums<E>(a, t, bias, dp, c, warp_row, scratch, table);
    E::add_product(dq_sum, dp, keys + buffer * Layout::kKeyTile, scratch);
#pragma unroll
    for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
      for (int j = 0; j < E::kThreadCols; ++j) s[i][j] = 0, dp[i][j] = 0;
  });

  const Channels channels = channels_of(a, t.head, chunks.last, E::kDim);
  const bool paired = can_pair(dq, a.head_dim);
#pragma unroll
  for (int i = 0; i < E::kThreadRows; ++i) {
    const int query = warp_row + E::row(i);
    if (query >= t.count) continue;
#pragma unroll
    for (int n = 0; n < E::kThreadChannels; n += 2)
      store_two(dq, (token0 + query) * channels.inner + channels.first + E::channel(n), dq_sum[i][n], dq_sum[i][n + 1], channels.count - E::channel(n), paired);
  }
  if (!sums_buckets && !sums_prefix) return;
  SHARED(float, prefix_sums, [E::kWarps]);
  prefix_sum = warp_sum(prefix_sum);
  if (E::lane() == 0) prefix_sums[warp] = prefix_sum;
  __syncthreads();
  if (sums_prefix && threadIdx.x == 0) {
    float sum = 0;
    for (int w = 0; w < E::kWarps; ++w) sum += prefix_sums[w];
    sums.prefix[int64_t{t.head} * sums.tiles + blockIdx.x] = sum;
  }
  for (int b = threadIdx.x; sums_buckets && b < sums.bucket_count; b += E::kThreads) {
    float sum = 0;
    for (int w = 0; w < E::kWarps; ++w) sum += tables[w * sums.bucket_count + b];
    sums.buckets[bucket_place(b)] = sum;
  }
}

// out[i, head]: the sum over tiles of value[head, i or 0, tile] where slot[tile] is i, or everywhere without slots. A warp each.
static __global__ void __launch_bounds__(128) add_tiles_kernel(const float* value, const int32_t* slots, float* out, int tiles, int count, int heads) {
  const int64_t index = int64_t{blockIdx.x} * (128 / kWarp) + threadIdx.x / kWarp;
  if (index >= int64_t{count} * heads) return;
  const int i = static_cast<int>(index % count), head = static_cast<int>(index / count), lane = threadIdx.x % kWarp;
  const float* const from = value + (slots ? head : int64_t{head} * count + i) * tiles;
  float sum = 0;
  for (int tile = lane; tile < tiles; tile += kWarp)
    if (!slots || slots[tile] == i) sum += from[tile];
  sum = warp_sum(sum);
  if (lane == 0) out[int64_t{i} * heads + head] = sum;
}

}  // namespace ht::cuda
