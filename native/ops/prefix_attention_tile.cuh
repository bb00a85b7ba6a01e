// One head of a block of one row's queries, and its way over the row's columns in steps of E::kCols: prefix rows are read from
// the bank in place, keys behind them. T5's bias depends on the distance alone, so a step needs a window of kRows + kCols - 1
// values of the head's bias, never a matrix; causality is -inf in that window. What belongs to a column alone (it lies beyond
// the end, its page is missing, its slot has a bias) is a second short list. Both are skipped where they would be zeros.
#pragma once
#include <cmath>

#include "ops/prefix_attention_stage.cuh"

namespace ht::cuda {

constexpr float kLog2E = 1.4426950408889634f;

struct QueryTile {
  AttentionRow row;
  int head, first, count;  // queries first .. first + count - 1 of the row
  int columns;             // that the last of them sees
  int window_from;         // columns before it have no bias by distance
  float prefix_bias;
  bool exists;
};

// The queries of tile `tile` of the grid over packed rows.
template <class E>
__device__ __forceinline__ QueryTile query_tile(const AttentionView& a, int64_t tile, int head) {
  QueryTile t;
  const int r = row_of_tile(a.q_offsets, a.query_tokens, a.rows, E::kRows, tile);
  t.row = attention_row(a, r);
  t.head = head;
  t.first = static_cast<int>(tile - first_tile(a.q_offsets, a.query_tokens, r, E::kRows)) * E::kRows;
  t.count = min(t.row.queries - t.first, E::kRows);
  t.columns = t.row.prefix_len + (a.causal ? min(t.row.keys, t.first + t.count) : t.row.keys);
  t.window_from = a.prefix_precedes ? 0 : t.row.prefix_len;
  t.prefix_bias = prefix_bias_of(a, t.row.slot, head);
  t.exists = t.count > 0;
  return t;
}

// Distance of the tile's query i to column c: distance_at(t, c) - i.
__device__ __forceinline__ int distance_at(const QueryTile& t, int c) { return c - t.row.prefix_len - t.first; }

// The biases of the step whose first column is c.
template <class E>
struct StepBias {
  static constexpr int kWindow = E::kRows + E::kCols, kFloats = kWindow + E::kCols;

  bool windowed, flat, listed;

  __device__ __forceinline__ StepBias(const AttentionView& a, const QueryTile& t, int c) {
    const int least = distance_at(t, c) - (E::kRows - 1), most = distance_at(t, c) + E::kCols - 1;
    const bool hides = a.causal && most > 0;
    windowed = (a.bucket_of || hides) && c + E::kCols > t.window_from;
    flat = windowed && !hides && c >= t.window_from && (least >= a.span || most <= -a.span);
    listed = c < t.row.prefix_len || c + E::kCols > t.columns;
  }

  __device__ __forceinline__ void stage(const AttentionView& a, const QueryTile& t, int c, float* shared) const {
    if (windowed) {
      for (int x = threadIdx.x; x < E::kRows + E::kCols - 1; x += E::kThreads) {
        const int distance = distance_at(t, c) - (E::kRows - 1) + x;
        shared[x] = a.causal && distance > 0 ? -INFINITY : a.bucket_of ? bias_at(a, t.head, distance) : 0.0f;
      }
    }
    if (listed) {
      for (int x = threadIdx.x; x < E::kCols; x += E::kThreads) {
        const bool is_prefix = c + x < t.row.prefix_len;
        const bool is_there = c + x < t.columns && (!is_prefix || prefix_row(a, t.row.slot, c + x) >= 0);
        shared[kWindow + x] = !is_there ? -INFINITY : is_prefix ? t.prefix_bias : 0.0f;
      }
    }
  }

  // To the scores of the warp whose first row is `row`.
  __device__ __forceinline__ void add(float (&s)[E::kThreadRows][E::kThreadCols], const QueryTile& t, int c, int row, const float* shared) const {
    if (flat) {
      const float bias = shared[0];
#pragma unroll
      for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
        for (int j = 0; j < E::kThreadCols; ++j) s[i][j] += bias;
    } else if (windowed) {
      const bool mixed = c < t.window_from;
#pragma unroll
      for (int i = 0; i < E::kThreadRows; ++i)
#pragma unroll
        for (int j = 0; j < E::kThreadCols; ++j) {
          const float bias = shared[E::col(j) - E::row(i) - row + E::kRows - 1];
          s[i][j] += mixed && c + E::col(j) < t.window_from ? 0.0f : bias;
        }
    }
    if (listed) {
#pragma unroll
      for (int j = 0; j < E::kThreadCols; ++j) {
        const float bias = shared[kWindow + E::col(j)];
#pragma unroll
        for (int i = 0; i < E::kThreadRows; ++i) s[i][j] += bias;
      }
    }
  }
};

// Whether operands may be copied 16 bytes at a time.
struct Alignment {
  bool k, v, pk, pv;
  __device__ __forceinline__ explicit Alignment(const AttentionView& a)
      : k(is_aligned(a.k, a.head_dim)), v(is_aligned(a.v, a.head_dim)), pk(is_aligned(a.pk, a.head_dim)), pv(is_aligned(a.pv, a.head_dim)) {}
};

// Columns c .. c + kCols - 1 of keys (or values): prefix rows from the bank, the rest from the packed rows.
template <class E>
__device__ __forceinline__ void stage_columns(const AttentionView& a, const QueryTile& t, int c, typename E::Shared* to, const Rows& own, bool own_aligned, const Rows& bank, bool bank_aligned,
                                              const Channels& channels) {
  if (c >= t.row.prefix_len) {
    return stage_rows<E, E::kCols>(to, own, channels, own_aligned, [&](int j) { return c + j < t.columns ? t.row.k0 + (c + j - t.row.prefix_len) : int64_t{-1}; });
  }
  // The step has prefix rows, and perhaps the first keys behind them.
  constexpr int kVector = 16 / sizeof(typename E::Shared), kVectors = E::kDim / kVector;
  for (int x = threadIdx.x; x < E::kCols * kVectors; x += E::kThreads) {
    const int j = x / kVectors, at = x % kVectors * kVector;
    const bool is_prefix = c + j < t.row.prefix_len;
    const int64_t row = is_prefix ? prefix_row(a, t.row.slot, c + j) : c + j < t.columns ? t.row.k0 + (c + j - t.row.prefix_len) : int64_t{-1};
    const Rows from = is_prefix ? bank : own;
    stage_16_bytes(to + j * E::kStride + at, from, row * channels.inner + channels.first + at, row < 0 ? 0 : min(channels.count - at, kVector), is_prefix ? bank_aligned : own_aligned);
  }
}

__device__ __forceinline__ Channels channels_of(const AttentionView& a, int head, int chunk, int dim) {
  return {int64_t{a.heads} * a.head_dim, int64_t{head} * a.head_dim + chunk * dim, a.head_dim - chunk * dim};
}

// Channels of a head go through shared memory kDim at a time. Scores need all chunks; the result of a block is one of them,
// which comes last, so that it is still there for the second product.
template <class E>
struct Chunks {
  int count, last;
  __device__ __forceinline__ Chunks(const AttentionView& a, int result) : count(E::kChunked ? (a.head_dim + E::kDim - 1) / E::kDim : 1), last(E::kChunked ? result : 0) {}
  __device__ __forceinline__ int at(int step) const { return (last + 1 + step % count) % count; }
  __device__ __forceinline__ bool is_last(int step) const { return step % count == count - 1; }
};

// Tensor cores where queries, keys and values are bf16, else fp32 arithmetic.
inline bool uses_tensor_cores(const Tensor& q, const Tensor& k, const Tensor& v, int head_dim) {
  return q.dtype == DType::BF16 && k.dtype == DType::BF16 && v.dtype == DType::BF16 && head_dim <= 128;
}

}  // namespace ht::cuda
