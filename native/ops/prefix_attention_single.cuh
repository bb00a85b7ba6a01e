// Attention of rows with one query each: a decoding step, against a cache or against packed keys.
//
// It is all reading: every key and value once, 2 flops per byte. So a row and head is cut into splits of consecutive columns,
// as many as fill the device (by shape alone), each a block; the block that finishes last adds them up in order. In a block, G lanes share a
// key (8 channels each: one 16-byte load of bf16), the 256 / G groups take neighbouring keys, and each keeps four keys and
// values in flight and its own running maximum, sum and output; they are merged once at the end, in order.
// Where a column lies (page table, ancestors) and its bias are looked up 256 columns at a time, a thread each, before they are
// needed by whole groups. Fewer columns are not split: adding up takes as long as reading them.
// A step's new keys and values can come from where they were computed and be written to the caches here (AppendedKeys).
#pragma once
#include <cmath>

#include "ops/prefix_attention_eight.cuh"

namespace ht::cuda {

struct SingleRow {
  int keys, position, slot, prefix_len;
  int64_t own;  // where the row's keys are: their first row, or their row of the cache (-1: none)
};

// Keys of packed rows; the query is at position 0.
struct PackedKeys {
  static constexpr bool kAppends = false;
  AttentionView a;
  int64_t typical_keys() const { return a.key_rows ? (a.key_tokens + a.key_rows - 1) / a.key_rows : 0; }
  __device__ __forceinline__ SingleRow row(int r) const {
    const AttentionRow row = attention_row(a, r);
    return {a.causal ? min(row.keys, 1) : row.keys, 0, row.slot, row.prefix_len, row.k0};
  }
  __device__ __forceinline__ int64_t key(const SingleRow& row, int, int t) const { return row.own + t; }
};

// A cache of `cache_rows` rows of cache_len keys, read directly or through a table of ancestors.
struct CachedKeys {
  static constexpr bool kAppends = false;
  AttentionView a;
  const int32_t *length, *ancestors;
  int cache_len, cache_rows;
  int64_t typical_keys() const { return cache_len; }
  __device__ __forceinline__ SingleRow row(int r) const {
    const PrefixSlot prefix = prefix_of_row(a, r);
    const int keys = static_cast<int>(checked_index(length[r], 0, int64_t{cache_len} + 1, a.bad_index));
    return {keys, keys - 1, prefix.slot, prefix.length, ancestors ? r : checked_index(r, 0, cache_rows, a.bad_index)};
  }
  __device__ __forceinline__ int64_t key(const SingleRow& row, int r, int t) const {
    const int64_t from = ancestors ? checked_index(ancestors[int64_t{r} * cache_len + t], 0, cache_rows, a.bad_index) : row.own;
    return from < 0 ? -1 : from * cache_len + t;
  }
};

// The same after kv_append of new_k and new_v, row by row at length - 1: what belongs there is read from new_k and new_v, never from the
// cache, so that it does not matter when the block that writes it does so. A key's place is its offset in the cache, or where it is new,
// -2 - its offset in new_k.
struct AppendedKeys : CachedKeys {
  static constexpr bool kAppends = true;
  Rows new_k, new_v;
  __device__ __forceinline__ int position(int r) const { return static_cast<int>(checked_index(length[r], 0, int64_t{cache_len} + 1, a.bad_index)) - 1; }
  __device__ __forceinline__ int64_t key(const SingleRow& row, int r, int t) const {
    const int64_t from = ancestors ? checked_index(ancestors[int64_t{r} * cache_len + t], 0, cache_rows, a.bad_index) : row.own;
    if (from < 0) return -1;
    return from < a.query_tokens && t == position(static_cast<int>(from)) ? -2 - from : from * cache_len + t;
  }
  // As the cache holds it.
  static __device__ __forceinline__ float load(const Rows& from, const Rows& cache, int64_t i) {
    const float v = load_float(from, i);
    return cache.is_bf16 ? to_float(__float2bfloat16(v)) : v;
  }
  static __device__ __forceinline__ Eight load_eight(const Rows& from, const Rows& cache, int64_t i, int count) {
    Eight e;
#pragma unroll
    for (int x = 0; x < 8; ++x) e.x[x] = x < count ? load(from, cache, i + x) : 0.0f;
    return e;
  }
  // `count` channels of row r from offset `from` on in a row of `inner`.
  __device__ __forceinline__ void append(int r, int64_t inner, int64_t from, int count) const {
    const int t = position(r);
    if (t < 0) return;
    if (r >= cache_rows) {
      atomicExch(a.bad_index, 1);
      return;
    }
    const int64_t to = (int64_t{r} * cache_len + t) * inner + from;
    for (int x = threadIdx.x; x < count; x += blockDim.x) {
      store_float(a.k, to + x, load_float(new_k, r * inner + from + x));
      store_float(a.v, to + x, load_float(new_v, r * inner + from + x));
    }
  }
};

constexpr int kSingleThreads = 256, kSingleBlocks = 512, kSingleColumns = 256, kInFlight = 4;

// What one group of lanes has seen: the softmax so far, and eight channels of its output.
struct RunningSoftmax {
  float largest = -INFINITY, total = 0;
  Eight out = {};

  __device__ __forceinline__ void add(const float (&score)[kInFlight], const Eight (&value)[kInFlight]) {
    float most = largest;
#pragma unroll
    for (int u = 0; u < kInFlight; ++u) most = fmaxf(most, score[u]);
    const float base = most == -INFINITY ? 0.0f : most, shrink = expf(largest - base);
    largest = most;
    total *= shrink;
#pragma unroll
    for (int x = 0; x < 8; ++x) out.x[x] *= shrink;
#pragma unroll
    for (int u = 0; u < kInFlight; ++u) {
      const float p = expf(score[u] - base);
      total += p;
#pragma unroll
      for (int x = 0; x < 8; ++x) out.x[x] = fmaf(p, value[u].x[x], out.x[x]);
    }
  }
};

// Adds the splits of a row and head in order; by all threads of a block.
__device__ __forceinline__ void merge_splits(const float* statistics, const float* partial, const Rows& o, float* lse, int64_t row_head, int head_dim, int splits) {
  const float* const mine = statistics + row_head * splits * 2;
  float largest = -INFINITY, total = 0;
  for (int s = 0; s < splits; ++s) largest = fmaxf(largest, mine[2 * s]);
  const float base = largest == -INFINITY ? 0.0f : largest;
  for (int s = 0; s < splits; ++s) total += mine[2 * s + 1] * expf(mine[2 * s] - base);
  const bool sees_nothing = largest == -INFINITY && total == 0;
  for (int c = threadIdx.x; c < head_dim; c += blockDim.x) {
    float sum = 0;
    for (int s = 0; s < splits; ++s) sum = fmaf(partial[(row_head * splits + s) * head_dim + c], expf(mine[2 * s] - base), sum);
    store_float(o, row_head * head_dim + c, sees_nothing ? 0.0f : sum / total);
  }
  if (lse && threadIdx.x == 0) lse[row_head] = sees_nothing ? -INFINITY : largest + logf(total);
}

// kParts: of RawEight for keys and values of one storage type; 0 where they differ, which takes the slow way. G: lanes per key;
// 8 G channels per block.
template <class Keys, int kParts, int G>
__global__ void __launch_bounds__(kSingleThreads) single_attention_kernel(Keys source, Rows o, float* lse, float* statistics, float* partial, uint32_t* finished, int splits) {
  constexpr int kGroups = kSingleThreads / G;
  const AttentionView& a = source.a;
  const int r = static_cast<int>(blockIdx.x / splits), split = static_cast<int>(blockIdx.x % splits), head = static_cast<int>(blockIdx.y);
  const int group = static_cast<int>(threadIdx.x) / G, channel = static_cast<int>(threadIdx.x) % G * 8, first_channel = static_cast<int>(blockIdx.z) * G * 8;
  const int64_t inner = int64_t{a.heads} * a.head_dim, at_head = int64_t{head} * a.head_dim;
  SHARED(int64_t, places, [kSingleThreads]);
  SHARED(float, biases, [kSingleThreads]);

  const Eight query = load_eight(a.q, r * inner + at_head + channel, a.head_dim - channel);
  const SingleRow row = source.row(r);
  const float prefix_bias = prefix_bias_of(a, row.slot, head);
  const int columns = row.prefix_len + row.keys;
  const int share = max(kSingleColumns, ((columns + splits - 1) / splits + kWarp - 1) / kWarp * kWarp);
  const int begin = static_cast<int>(min(int64_t{split} * share, static_cast<int64_t>(columns))), end = min(begin + share, columns);

  if constexpr (Keys::kAppends)
    if (split == 0) source.append(r, inner, at_head + first_channel, min(G * 8, a.head_dim - first_channel));

  RunningSoftmax state;
  // Columns j, j + kGroups, .. of the batch, of which this lane has eight channels of key and value.
  const auto visit = [&](int j, const Eight (&key)[kInFlight], const Eight (&value)[kInFlight]) {
    float score[kInFlight];
#pragma unroll
    for (int u = 0; u < kInFlight; ++u) {
      score[u] = dot(query, key[u]);
#pragma unroll
      for (int x = 1; x < G; x *= 2) score[u] += __shfl_xor_sync(kAllLanes, score[u], x);
      score[u] += biases[j + u * kGroups];
    }
    state.add(score, value);
  };
  // Those of the columns that are new.
  const auto load_new = [&](int j, Eight (&key)[kInFlight], Eight (&value)[kInFlight]) {
    if constexpr (Keys::kAppends) {
#pragma unroll
      for (int u = 0; u < kInFlight; ++u) {
        const int64_t at = -2 - places[j + u * kGroups];
        if (at < 0) continue;
        key[u] = Keys::load_eight(source.new_k, a.k, at + channel, a.head_dim - channel);
        value[u] = Keys::load_eight(source.new_v, a.v, at + first_channel + channel, a.head_dim - first_channel - channel);
      }
    }
  };
  const auto visit_aligned = [&](int j) {
    if constexpr (kParts > 0) {
      RawEight<kParts> raw_key[kInFlight], raw_value[kInFlight];
#pragma unroll
      for (int u = 0; u < kInFlight; ++u) {
        const int64_t at = places[j + u * kGroups];
        raw_key[u] = load_raw<kParts>(a.k, at + channel, at >= 0 && channel < a.head_dim);
        raw_value[u] = load_raw<kParts>(a.v, at + first_channel + channel, at >= 0 && first_channel + channel < a.head_dim);
      }
      Eight key[kInFlight], value[kInFlight];
#pragma unroll
      for (int u = 0; u < kInFlight; ++u) key[u] = widen(raw_key[u], kParts == 1), value[u] = widen(raw_value[u], kParts == 1);
      load_new(j, key, value);
      visit(j, key, value);
    }
  };
  // Prefix rows, odd widths.
  const auto visit_any = [&](int batch, int j) {
    Eight key[kInFlight], value[kInFlight];
#pragma unroll
    for (int u = 0; u < kInFlight; ++u) {
      const int64_t at = places[j + u * kGroups];
      const bool is_prefix = batch + j + u * kGroups < row.prefix_len;
      key[u] = load_eight(is_prefix ? a.pk : a.k, at + channel, at < 0 ? 0 : a.head_dim - channel);
      value[u] = load_eight(is_prefix ? a.pv : a.v, at + first_channel + channel, at < 0 ? 0 : a.head_dim - first_channel - channel);
    }
    load_new(j, key, value);
    visit(j, key, value);
  };
  const bool aligned = kParts > 0 && a.head_dim <= G * 8 && a.head_dim % 8 == 0 && is_aligned(a.k, a.head_dim) && is_aligned(a.v, a.head_dim);
  for (int batch = begin; batch < end; batch += kSingleThreads) {
    const int mine = batch + static_cast<int>(threadIdx.x);
    int64_t place = -1;
    float bias = -INFINITY;
    if (mine < end) {
      const bool is_prefix = mine < row.prefix_len;
      const int64_t at = is_prefix ? prefix_row(a, row.slot, mine) : source.key(row, r, mine - row.prefix_len);
      const bool is_new = Keys::kAppends && at < -1;
      if (at != -1) {
        place = is_new ? -2 - ((-2 - at) * inner + at_head) : at * inner + at_head;
        bias = is_prefix ? prefix_bias : 0.0f;
        if (a.bucket_of && (!is_prefix || a.prefix_precedes)) bias += bias_at(a, head, mine - row.prefix_len - row.position);
        // Heads wider than the lanes hold: the rest of the score.
        for (int c = G * 8; c < a.head_dim; ++c) {
          float key = 0;
          if constexpr (Keys::kAppends)
            if (is_new) key = Keys::load(source.new_k, a.k, -2 - place + c);
          if (!is_new) key = load_float(is_prefix ? a.pk : a.k, place + c);
          bias = fmaf(load_float(a.q, r * inner + at_head + c), key, bias);
        }
      }
    }
    places[threadIdx.x] = place;
    biases[threadIdx.x] = bias;
    __syncthreads();
    const int count = min(end - batch, kSingleThreads);
    if (aligned && batch >= row.prefix_len) {
      for (int j = 0; j < count; j += kGroups * kInFlight) visit_aligned(j + group);
    } else {
      for (int j = 0; j < count; j += kGroups * kInFlight) visit_any(batch, j + group);
    }
    __syncthreads();
  }

  SHARED(float, largests, [kGroups]);
  SHARED(float, totals, [kGroups]);
  SHARED(float, outs, [kGroups][G * 8]);
  if (channel == 0) largests[group] = state.largest, totals[group] = state.total;
#pragma unroll
  for (int x = 0; x < 8; ++x) outs[group][channel + x] = state.out.x[x];
  __syncthreads();
  float largest = -INFINITY, total = 0;
  for (int g = 0; g < kGroups; ++g) largest = fmaxf(largest, largests[g]);
  const float base = largest == -INFINITY ? 0.0f : largest;
  SHARED(float, weights, [kGroups]);
  if (threadIdx.x < kGroups) weights[threadIdx.x] = expf(largests[threadIdx.x] - base);
  __syncthreads();
  for (int g = 0; g < kGroups; ++g) total = fmaf(totals[g], weights[g], total);
  const bool sees_nothing = largest == -INFINITY && total == 0;
  for (int x = threadIdx.x; x < G * 8 && first_channel + x < a.head_dim; x += kSingleThreads) {
    float sum = 0;
    for (int g = 0; g < kGroups; ++g) sum = fmaf(outs[g][x], weights[g], sum);
    if (splits == 1) store_float(o, r * inner + at_head + first_channel + x, sees_nothing ? 0.0f : sum / total);
    else partial[((int64_t{r} * a.heads + head) * splits + split) * a.head_dim + first_channel + x] = sum;
  }
  const int64_t row_head = int64_t{r} * a.heads + head;
  if (splits == 1) {
    if (lse && threadIdx.x == 0 && first_channel == 0) lse[row_head] = sees_nothing ? -INFINITY : largest + logf(total);
    return;
  }
  if (threadIdx.x == 0 && first_channel == 0) {
    float* const mine = statistics + (row_head * splits + split) * 2;
    mine[0] = largest, mine[1] = total;
  }
  // The block that raises the counter last finds what the others have written.
  SHARED(bool, is_last, [1]);
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    const uint32_t blocks = static_cast<uint32_t>(splits) * gridDim.z;
    is_last[0] = atomicAdd(finished + row_head, 1u) == blocks - 1;
    if (is_last[0]) finished[row_head] = 0;
    __threadfence();
  }
  __syncthreads();
  if (is_last[0]) merge_splits(statistics, partial, o, lse, row_head, a.head_dim, splits);
}

template <class Keys>
void single_attention(Launcher& l, const Keys& source, DType k, DType v, const Rows& o, float* lse) {
  const AttentionView& a = source.a;
  const int64_t count = a.query_tokens * a.heads, columns = source.typical_keys() + int64_t{a.table_width} * a.page_len;
  const int64_t wanted = std::min(kSingleBlocks / std::max<int64_t>(count, 1), (columns + kSingleColumns - 1) / kSingleColumns);
  const int splits = static_cast<int>(std::max<int64_t>(wanted, 1));
  // Never more than count * splits <= kSingleBlocks of either, whatever count is.
  float* const statistics = l.scratch<float>(kSingleBlocks * 2);
  float* const partial = l.scratch<float>(int64_t{kSingleBlocks} * a.head_dim);
  uint32_t* const finished = splits > 1 ? l.counters(count) : nullptr;
  const auto run = [&](auto kernel, int lanes) {
    l.launch(kernel, dim3(static_cast<unsigned>(a.query_tokens * splits), static_cast<unsigned>(a.heads), blocks_for(a.head_dim, lanes * 8)), dim3(kSingleThreads), 0, source, o, lse,
             statistics, partial, finished, splits);
  };
  const auto with_storage = [&](auto parts) {
    constexpr int kParts = decltype(parts)::value;
    if (a.head_dim <= 64) run(single_attention_kernel<Keys, kParts, 8>, 8);
    else if (a.head_dim <= 128) run(single_attention_kernel<Keys, kParts, 16>, 16);
    else run(single_attention_kernel<Keys, kParts, 32>, 32);
  };
  if (k != v) {
    if constexpr (!Keys::kAppends) with_storage(std::integral_constant<int, 0>{});  // appended keys and values have one type
  } else if (k == DType::BF16) {
    with_storage(std::integral_constant<int, 1>{});
  } else {
    with_storage(std::integral_constant<int, 2>{});
  }
}

}  // namespace ht::cuda
