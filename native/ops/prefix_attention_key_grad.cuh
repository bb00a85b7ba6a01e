// Gradients of keys and values: a block owns one head of E::kRows of them, goes over every query that sees them, and computes
// the transposed scores (rows: keys, columns: queries), so that probabilities and their gradients are left operands of
// dv += p do and dk += ds q as they stand. Rows that share keys, or a page, follow each other in row order: no atomics.
#pragma once
#include "ops/prefix_attention_tile.cuh"

namespace ht::cuda {

// What both passes of the gradient read besides the forward operands.
struct GradView {
  Rows o, d_o;
  const float* lse;  // [query tokens, heads]
  float* delta;      // the same: do . o, written by the pass over queries
  bf16* d_copy;      // do in bf16, written by the pass over queries where the pass over keys wants it so; else null
};

// The keys of a block: rows first_row .. first_row + count - 1 of k and v.
struct KeyTile {
  Rows k, v;
  int64_t first_row;
  int head, count;
};

// A row whose queries see the first `valid` keys of the block, the first of which stands at `position`.
struct KeyUse {
  int64_t q0;
  int queries, first_query, position, valid;
  bool windowed;
  float bias;
};

// visit(i) for each i < count with matches(i), in order. All threads of the block take part.
template <int kThreads, class Matches, class Visit>
__device__ __forceinline__ void for_each_match(int64_t count, const Matches& matches, const Visit& visit) {
  SHARED(unsigned, found, [kThreads / kWarp]);
  for (int64_t base = 0; base < count; base += kThreads) {
    const int64_t i = base + threadIdx.x;
    const unsigned bits = __ballot_sync(kAllLanes, i < count && matches(i));
    if (threadIdx.x % kWarp == 0) found[threadIdx.x / kWarp] = bits;
    __syncthreads();
#pragma unroll 1
    for (int w = 0; w < kThreads / kWarp; ++w)
#pragma unroll 1
      for (unsigned left = found[w]; left; left &= left - 1) visit(base + w * kWarp + __ffs(static_cast<int>(left)) - 1);
    __syncthreads();
  }
}

template <class E>
struct KeyGradShared {
  static constexpr int kWindow = E::kRows + E::kCols, kFloats = kWindow + 2 * E::kCols;  // biases by distance, lse, delta
  static constexpr int kQueryTile = E::kCols * E::kStride, kKeyTile = E::kRows * E::kStride;
  static constexpr size_t kBytes = (2 * kKeyTile + 2 * E::kStages * kQueryTile) * sizeof(typename E::Shared) + (E::kWarps * E::kExchange + E::kStages * kFloats) * sizeof(float);
};

// for_each_use(visit) calls visit(KeyUse) for all threads alike, in a fixed order. dk, dv: no data where not wanted.
template <class E, class ForEachUse>
__device__ __forceinline__ void key_gradients(const AttentionView& a, const GradView& g, const KeyTile& t, const ForEachUse& for_each_use, const Rows& dk, const Rows& dv) {
  using Shared = typename E::Shared;
  using Layout = KeyGradShared<E>;
  DYN_SHARED(unsigned char, memory);
  Shared* const keys = reinterpret_cast<Shared*>(memory);
  Shared* const values = keys + Layout::kKeyTile;
  Shared* const queries = values + Layout::kKeyTile;
  Shared* const grads = queries + E::kStages * Layout::kQueryTile;
  float* const exchange = reinterpret_cast<float*>(grads + E::kStages * Layout::kQueryTile);
  float* const lists = exchange + E::kWarps * E::kExchange;

  const int warp = static_cast<int>(threadIdx.x) / kWarp, warp_row = warp * E::kWarpRows;
  const Chunks<E> chunks(a, static_cast<int>(blockIdx.z));
  const bool k_aligned = is_aligned(t.k, a.head_dim), v_aligned = is_aligned(t.v, a.head_dim), q_aligned = is_aligned(a.q, a.head_dim), d_aligned = is_aligned(g.d_o, a.head_dim);
  const auto stage_keys = [&](const Channels& channels) {
    const auto row_of = [&](int i) { return i < t.count ? t.first_row + i : int64_t{-1}; };
    stage_rows<E, E::kRows>(keys, t.k, channels, k_aligned, row_of);
    stage_rows<E, E::kRows>(values, t.v, channels, v_aligned, row_of);
  };

  float s[E::kThreadRows][E::kThreadCols] = {}, dp[E::kThreadRows][E::kThreadCols] = {};
  float dk_sum[E::kThreadRows][E::kThreadChannels] = {}, dv_sum[E::kThreadRows][E::kThreadChannels] = {};
  if (chunks.count == 1) stage_keys(channels_of(a, t.head, 0, E::kDim));

  for_each_use([&](const KeyUse& use) {
    const int first = use.first_query / E::kCols * E::kCols;
    const int steps = (use.queries - first + E::kCols - 1) / E::kCols * chunks.count;
    const auto query_at = [&](int step) { return first + step / chunks.count * E::kCols; };
    // Distance of the first key to the first query of a step, and whether biases by distance are needed there.
    const auto distance_at_step = [&](int step) { return use.position - query_at(step); };
    const auto is_windowed = [&](int step) { return use.windowed && (a.bucket_of || (a.causal && distance_at_step(step) + E::kRows - 1 > 0)); };
    pipeline<E::kStages>(steps, [&](int step, int buffer) {
      const int query = query_at(step), chunk = chunks.at(step);
      const Channels channels = channels_of(a, t.head, chunk, E::kDim);
      const auto row_of = [&](int i) { return query + i < use.queries ? use.q0 + query + i : int64_t{-1}; };
      if (chunks.count > 1) stage_keys(channels);
      stage_rows<E, E::kCols>(queries + buffer * Layout::kQueryTile, a.q, channels, q_aligned, row_of);
      stage_rows<E, E::kCols>(grads + buffer * Layout::kQueryTile, g.d_o, channels, d_aligned, row_of);
      if (!chunks.is_last(step)) return;
      float* const list = lists + buffer * Layout::kFloats;
      if (is_windowed(step)) {
        for (int x = threadIdx.x; x < E::kRows + E::kCols - 1; x += E::kThreads) {
          const int distance = distance_at_step(step) - (E::kCols - 1) + x;
          list[x] = a.causal && distance > 0 ? -INFINITY : a.bucket_of ? bias_at(a, t.head, distance) : 0.0f;
        }
      }
      for (int x = threadIdx.x; x < E::kCols; x += E::kThreads) {
        const int64_t token = row_of(x);
        const float lse = token < 0 ? -INFINITY : g.lse[token * a.heads + t.head];
        list[Layout::kWindow + x] = lse == -INFINITY ? INFINITY : lse;  // probabilities become 0
        list[Layout::kWindow + E::kCols + x] = token < 0 ? 0.0f : g.delta[token * a.heads + t.head];
      }
    }, [&](int step, int buffer) {
      const Shared* const q = queries + buffer * Layout::kQueryTile;
      const Shared* const d_o = grads + buffer * Layout::kQueryTile;
      const float* const list = lists + buffer * Layout::kFloats;
      E::add_scores(s, keys + warp_row * E::kStride, q);
      E::add_scores(dp, values + warp_row * E::kStride, d_o);
      if (!chunks.is_last(step)) return;
      const bool windowed = is_windowed(step), cut = use.valid < t.count;
#pragma unroll
      for (int i = 0; i < E::kThreadRows; ++i) {
        const int key = warp_row + E::row(i);
#pragma unroll
        for (int j = 0; j < E::kThreadCols; ++j) {
          const float score = s[i][j] + use.bias + (windowed ? list[key - E::col(j) + E::kCols - 1] : 0.0f);
          s[i][j] = cut && key >= use.valid ? 0.0f : exp2f((score - list[Layout::kWindow + E::col(j)]) * kLog2E);
          dp[i][j] = s[i][j] * (dp[i][j] - list[Layout::kWindow + E::kCols + E::col(j)]);
        }
      }
      E::add_product(dv_sum, s, d_o, exchange + warp * E::kExchange);
      E::add_product(dk_sum, dp, q, exchange + warp * E::kExchange);
#pragma unroll
      for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
        for (int j = 0; j < E::kThreadCols; ++j) s[i][j] = 0, dp[i][j] = 0;
    });
  });

  const Channels channels = channels_of(a, t.head, chunks.last, E::kDim);
  const bool dk_paired = can_pair(dk, a.head_dim), dv_paired = can_pair(dv, a.head_dim);
#pragma unroll
  for (int i = 0; i < E::kThreadRows; ++i) {
    const int key = warp_row + E::row(i);
    if (key >= t.count) continue;
    const int64_t at = (t.first_row + key) * channels.inner + channels.first;
#pragma unroll
    for (int n = 0; n < E::kThreadChannels; n += 2) {
      const int count = channels.count - E::channel(n);
      if (dk.data) store_two(dk, at + E::channel(n), dk_sum[i][n], dk_sum[i][n + 1], count, dk_paired);
      if (dv.data) store_two(dv, at + E::channel(n), dv_sum[i][n], dv_sum[i][n + 1], count, dv_paired);
    }
  }
}

// A tile of packed keys per block.
template <class E>
__global__ void __launch_bounds__(E::kThreads, E::kMinBlocks) key_gradient_kernel(AttentionView a, GradView g, Rows dk, Rows dv) {
  const int64_t tile = blockIdx.x;
  const int key_row = row_of_tile(a.k_offsets, a.key_tokens, a.key_rows, E::kRows, tile);
  const Extent extent = row_extent(a.k_offsets, a.key_tokens, key_row);
  const int first = static_cast<int>(tile - first_tile(a.k_offsets, a.key_tokens, key_row, E::kRows)) * E::kRows;
  const int count = static_cast<int>(min(extent.end - extent.begin - first, int64_t{E::kRows}));
  if (count <= 0) return;
  const KeyTile t{a.k, a.v, extent.begin + first, static_cast<int>(blockIdx.y), count};
  key_gradients<E>(a, g, t, [&](const auto& visit) {
    const auto use = [&](int64_t r) {
      const Extent queries = row_extent(a.q_offsets, a.query_tokens, r);
      visit(KeyUse{queries.begin, static_cast<int>(queries.end - queries.begin), a.causal ? first : 0, first, count, true, 0.0f});
    };
    const int64_t candidates = a.kv_row ? a.rows : 1, base = a.kv_row ? 0 : key_row;
    for_each_match<E::kThreads>(candidates, [&](int64_t r) { return key_row_of(a, static_cast<int>(base + r)) == key_row; }, [&](int64_t r) { use(base + r); });
  }, dk, dv);
}

// A tile of a page of the bank per block: whichever rows have the page in their slot, and wherever in it.
template <class E>
__global__ void __launch_bounds__(E::kThreads, E::kMinBlocks > 1 ? 2 : 1) page_gradient_kernel(AttentionView a, GradView g, Rows dpk, Rows dpv) {
  const int tiles = (a.page_len + E::kRows - 1) / E::kRows, page = static_cast<int>(blockIdx.x) / tiles, first = static_cast<int>(blockIdx.x) % tiles * E::kRows;
  const int head = static_cast<int>(blockIdx.y);
  const KeyTile t{a.pk, a.pv, int64_t{page} * a.page_len + first, head, min(a.page_len - first, E::kRows)};
  key_gradients<E>(a, g, t, [&](const auto& visit) {
    for_each_match<E::kThreads>(int64_t{a.rows} * a.table_width, [&](int64_t i) {
      const PrefixSlot prefix = prefix_of_row(a, static_cast<int>(i / a.table_width));
      const int entry = static_cast<int>(i % a.table_width);
      return prefix.slot >= 0 && entry * a.page_len + first < prefix.length && a.prefix_table[int64_t{prefix.slot} * a.table_width + entry] == page;
    }, [&](int64_t i) {
      const int r = static_cast<int>(i / a.table_width), at = static_cast<int>(i % a.table_width) * a.page_len + first;
      const PrefixSlot prefix = prefix_of_row(a, r);
      const Extent queries = row_extent(a.q_offsets, a.query_tokens, r);
      visit(KeyUse{queries.begin, static_cast<int>(queries.end - queries.begin), 0, at - prefix.length, min(t.count, prefix.length - at), a.prefix_precedes,
                   prefix_bias_of(a, prefix.slot, head)});
    });
  }, dpk, dpv);
}

}  // namespace ht::cuda
