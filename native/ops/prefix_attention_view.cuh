// What the attention kernels know of a call, on the device: operands, rows, what a query sees. The device form of
// prefix_attention.h. A query's columns are one axis: its prefix rows 0 .. prefix_len - 1, then the keys of its key row;
// column c stands at position c - prefix_len, so T5's distance is that minus the query's position in both segments.
#pragma once
#include <vector>

#include "core/ops_cuda.gen.h"
#include "cuda/device.cuh"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/t5_buckets.h"

namespace ht::cuda {

// Rows of a float operand; its type is looked at once per 16 bytes, and is the same for all threads.
struct Rows {
  void* data;
  bool is_bf16;

  static Rows of(const Tensor& t) { return {t.data, t.dtype == DType::BF16}; }
};

__device__ __forceinline__ float load_float(const Rows& rows, int64_t i) {
  return rows.is_bf16 ? to_float(static_cast<const bf16*>(rows.data)[i]) : static_cast<const float*>(rows.data)[i];
}
__device__ __forceinline__ void store_float(const Rows& rows, int64_t i, float x) {
  if (rows.is_bf16) store(static_cast<bf16*>(rows.data) + i, x);
  else static_cast<float*>(rows.data)[i] = x;
}
// Whether each head of each row begins at a multiple of 16 bytes.
__device__ __forceinline__ bool is_aligned(const Rows& rows, int head_dim) {
  return (reinterpret_cast<uintptr_t>(rows.data) | static_cast<uintptr_t>(head_dim * (rows.is_bf16 ? 2 : 4))) % 16 == 0;
}

struct AttentionView {
  Rows q, k, v, pk, pv, bias;
  const int32_t *q_offsets, *k_offsets, *kv_row, *prefix_slot, *prefix_table, *prefix_len;
  const float* prefix_bias;
  const int32_t* bucket_of;  // buckets of the distances -span .. span; those beyond have the last ones'. Null: no bias
  int64_t query_tokens, key_tokens;
  int rows, key_rows, heads, head_dim, span;
  int slots, table_width, pages, page_len;
  bool causal, has_prefix, prefix_precedes;
  int32_t* bad_index;
};

struct Extent {
  int64_t begin, end;
};
// Tokens of packed row r; without offsets every token is a row (ops/row_map.h).
__device__ __forceinline__ int64_t row_start(const int32_t* offsets, int64_t tokens, int64_t r) {
  return offsets ? min(max(static_cast<int64_t>(offsets[r]), int64_t{0}), tokens) : r;
}
__device__ __forceinline__ Extent row_extent(const int32_t* offsets, int64_t tokens, int64_t r) {
  const int64_t begin = row_start(offsets, tokens, r), end = row_start(offsets, tokens, r + 1);
  return {begin, max(begin, end)};
}

// How a grid over packed rows is made without knowing their lengths: row r owns the tiles start(r) / size + r up to
// start(r + 1) / size + r + 1, which are enough of them, at most one too many. The grid has tokens / size + rows tiles.
inline unsigned row_tiles(int64_t tokens, int64_t rows, int64_t size) { return static_cast<unsigned>(tokens / size + rows); }
__device__ __forceinline__ int64_t first_tile(const int32_t* offsets, int64_t tokens, int64_t r, int size) { return row_start(offsets, tokens, r) / size + r; }
// The row of a tile; 32 candidates at a time, every warp for itself.
__device__ __forceinline__ int row_of_tile(const int32_t* offsets, int64_t tokens, int rows, int size, int64_t tile) {
  int low = 0, high = rows;  // first_tile(low) <= tile < first_tile(high)
  while (high - low > 1) {
    const int step = (high - low + kWarp - 1) / kWarp, probe = low + (static_cast<int>(threadIdx.x) % kWarp + 1) * step;
    const bool before = probe < high && first_tile(offsets, tokens, probe, size) <= tile;
    low += __popc(__ballot_sync(kAllLanes, before)) * step;
    high = min(high, low + step);
  }
  return low;
}

struct PrefixSlot {
  int slot, length;  // -1, 0: none
};
__device__ __forceinline__ PrefixSlot prefix_of_row(const AttentionView& a, int r) {
  if (!a.has_prefix) return {-1, 0};
  const int slot = static_cast<int>(checked_index(a.prefix_slot[r], 0, a.slots, a.bad_index));
  if (slot < 0) return {-1, 0};
  return {slot, static_cast<int>(checked_index(a.prefix_len[slot], 0, int64_t{a.table_width} * a.page_len + 1, a.bad_index))};
}
// Row of pk and pv with prefix row p of a slot, or -1 where its page is missing.
__device__ __forceinline__ int64_t prefix_row(const AttentionView& a, int slot, int p) {
  const int64_t page = checked_index(a.prefix_table[int64_t{slot} * a.table_width + p / a.page_len], -1, a.pages, a.bad_index);
  return page < 0 ? -1 : page * a.page_len + p % a.page_len;
}
__device__ __forceinline__ float prefix_bias_of(const AttentionView& a, int slot, int head) {
  return a.prefix_bias && slot >= 0 ? a.prefix_bias[int64_t{slot} * a.heads + head] : 0.0f;
}

// Packed row r: its queries, the keys that they look at, its prefix.
struct AttentionRow {
  int64_t q0, k0;
  int queries, keys, slot, prefix_len;
};
__device__ __forceinline__ int key_row_of(const AttentionView& a, int r) {
  return a.kv_row ? static_cast<int>(checked_index(a.kv_row[r], 0, a.key_rows, a.bad_index)) : r;
}
__device__ __forceinline__ AttentionRow attention_row(const AttentionView& a, int r) {
  const Extent queries = row_extent(a.q_offsets, a.query_tokens, r);
  const int key_row = key_row_of(a, r);
  const Extent keys = key_row < 0 ? Extent{0, 0} : row_extent(a.k_offsets, a.key_tokens, key_row);
  const PrefixSlot prefix = prefix_of_row(a, r);
  return {queries.begin, keys.begin, static_cast<int>(queries.end - queries.begin), static_cast<int>(keys.end - keys.begin), prefix.slot, prefix.length};
}

__device__ __forceinline__ int bucket_at(const AttentionView& a, int distance) { return a.bucket_of[min(max(distance, -a.span), a.span) + a.span]; }
__device__ __forceinline__ float bias_at(const AttentionView& a, int head, int distance) {
  return load_float(a.bias, int64_t{bucket_at(a, distance)} * a.heads + head);
}

// The operands that all three ops have. `farthest`: no distance is larger.
template <class O>
AttentionView shared_view(const Call& c, Launcher& l, bool bidirectional, int64_t farthest, O) {
  AttentionView a{};
  const Tensor &q = c.in[O::q], &pk = c.in[O::pk], &bias = c.in[O::bias];
  a.q = Rows::of(q);
  a.k = Rows::of(c.in[O::k]);
  a.v = Rows::of(c.in[O::v]);
  a.pk = Rows::of(pk);
  a.pv = Rows::of(c.in[O::pv]);
  a.bias = Rows::of(bias);
  a.heads = c.attr[O::a_heads].i;
  a.head_dim = static_cast<int>(q.dim[1] / a.heads);
  a.query_tokens = q.dim[0];
  a.key_tokens = c.in[O::k].dim[0];
  a.page_len = c.attr[O::a_page_len].i;
  a.prefix_precedes = c.attr[O::a_policy].i == 1;
  a.bad_index = l.bad_index();
  if (pk) {
    a.has_prefix = true;
    a.prefix_slot = data<const int32_t>(c.in[O::prefix_slot]);
    a.prefix_table = data<const int32_t>(c.in[O::prefix_table]);
    a.prefix_len = data<const int32_t>(c.in[O::prefix_len]);
    a.prefix_bias = c.in[O::prefix_bias] ? data<const float>(c.in[O::prefix_bias]) : nullptr;
    a.slots = static_cast<int>(c.in[O::prefix_table].dim[0]);
    a.table_width = static_cast<int>(c.in[O::prefix_table].dim[1]);
    a.pages = static_cast<int>(pk.dim[0] / a.page_len);
    farthest += int64_t{a.table_width} * a.page_len;
  }
  if (bias) {
    const auto buckets = T5Buckets::of(bias.dim[0], c.attr[O::a_max_distance].i, bidirectional);
    a.span = static_cast<int>(std::min(buckets->last_distance(), farthest));
    std::vector<int32_t> bucket_of;
    for (int64_t d = -a.span; l.mode() == Mode::Bind && d <= a.span; ++d) bucket_of.push_back(buckets->bucket(d));
    a.bucket_of = l.constant(bucket_of.data(), 2 * int64_t{a.span} + 1);
  }
  return a;
}

// prefix_attention and its gradient.
template <class O>
AttentionView packed_view(const Call& c, Launcher& l, O op) {
  AttentionView a = shared_view(c, l, c.attr[O::a_bidirectional].i != 0, c.in[O::q].dim[0] + c.in[O::k].dim[0], op);
  const Tensor &q_offsets = c.in[O::q_offsets], &kv_row = c.in[O::kv_row];
  a.q_offsets = q_offsets ? data<const int32_t>(q_offsets) : nullptr;
  a.k_offsets = data<const int32_t>(c.in[O::k_offsets]);
  a.kv_row = kv_row ? data<const int32_t>(kv_row) : nullptr;
  a.rows = static_cast<int>(q_offsets ? q_offsets.dim[0] - 1 : a.query_tokens);
  a.key_rows = static_cast<int>(c.in[O::k_offsets].dim[0] - 1);
  a.causal = c.attr[O::a_causal].i != 0;
  return a;
}

}  // namespace ht::cuda
