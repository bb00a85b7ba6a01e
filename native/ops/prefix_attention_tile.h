// How the fast kernels of prefix_attention see their operands: rows, prefix rows and biases of one head at a time.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/tensor.h"
#include "ops/prefix_attention.h"

namespace ht {

constexpr int64_t kQueryBlock = 64;  // queries of one tile; with 48 keys of 64 channels its blocks take 80 KB of the L2
constexpr int64_t kKeyBlock = 48;    // keys per step
constexpr int64_t kMaxLanes = 16;    // blocks of queries are padded to whole vectors

// Rows [tokens, width] of one dtype.
struct RowView {
  const void* data;
  DType dtype;
  int64_t width;

  static RowView of(const Tensor& t) { return {t.data, t.dtype, t ? t.dim[1] : 0}; }
  const void* at(int64_t row, int64_t column) const {
    return static_cast<const char*>(data) + (row * width + column) * static_cast<int64_t>(dtype_size(dtype));
  }
};

// A prefix row that exists, and where it would stand before key 0 (policy 1): prefix_len rows end at position -1.
struct PrefixRow {
  int64_t row, position;
};

inline std::vector<PrefixRow> prefix_rows(const PrefixBank& bank, int64_t slot) {
  std::vector<PrefixRow> rows;
  const int64_t length = bank.length(slot);
  for (int64_t p = 0; p < length; ++p) {
    const int64_t row = bank.row(slot, p);
    if (row >= 0) rows.push_back({row, p - length});
  }
  return rows;
}

// T5's bias depends on key - query alone: one value per head and diagonal, and -inf on the diagonals that causality hides.
// Stored by ascending query, so that a block of queries reads consecutive values for one key. O(S) per head.
class DiagonalBias {
 public:
  // Queries at 0 .. queries - 1, keys at -prefix .. keys - 1.
  DiagonalBias(const Tensor& bias, const AttentionBias& buckets, int64_t heads, int64_t queries, int64_t keys, int64_t prefix,
               bool causal)
      : last_key_(std::max<int64_t>(keys - 1, 0)), length_(last_key_ + queries + prefix + kMaxLanes + kQueryBlock) {
    values_.assign(static_cast<size_t>(heads * length_), 0.0f);
    for (int64_t x = 0; x < length_; ++x) {
      const int64_t relative = last_key_ - x;
      const int32_t bucket = buckets.key(0, relative);
      for (int64_t h = 0; h < heads; ++h) {
        float& value = values_[h * length_ + x];
        if (bucket >= 0) value = static_cast<float>(bias.get(bucket * heads + h));
        if (causal && relative > 0) value = -std::numeric_limits<float>::infinity();
      }
    }
  }

  int64_t length() const { return length_; }
  // Where query - key lies on a diagonal table; relative position of a place.
  int64_t place(int64_t query, int64_t key) const { return query - key + last_key_; }
  int64_t relative(int64_t place) const { return last_key_ - place; }
  const float* head(int64_t h) const { return values_.data() + h * length_; }

 private:
  int64_t last_key_, length_;
  std::vector<float> values_;
};

// One head of a block of one row's queries, with everything they see.
struct AttentionTile {
  RowView q, k, v, pk, pv;
  int64_t head_dim, column;       // the head's channels in every row
  int64_t q0, queries, position;  // rows q0 .. q0 + queries of q, the first at this position
  int64_t k0, keys;               // rows k0 .. k0 + keys of k and v, the first at position 0
  const PrefixRow* prefix;
  int64_t prefix_count;
  float prefix_bias;
  bool prefix_precedes;           // policy 1: prefix rows have places on the diagonals
  const DiagonalBias* diagonals;
  const float* bias;              // the head's diagonals

  int64_t padded_dim() const { return (head_dim + kMaxLanes - 1) / kMaxLanes * kMaxLanes; }
  int64_t padded_queries() const { return (queries + kMaxLanes - 1) / kMaxLanes * kMaxLanes; }
  int64_t key_place(int64_t key) const { return diagonals->place(position, key); }
};

// f(is_prefix, first, count): steps of at most kKeyBlock prefix rows, then keys.
template <class F>
void for_each_step(const AttentionTile& t, const F& f) {
  for (int64_t c = 0; c < t.prefix_count; c += kKeyBlock) f(true, c, std::min(kKeyBlock, t.prefix_count - c));
  for (int64_t c = 0; c < t.keys; c += kKeyBlock) f(false, c, std::min(kKeyBlock, t.keys - c));
}

// What prefix_attention and its gradient derive from a call once, before any tile.
class AttentionPlan {
 public:
  const int64_t heads, head_dim;
  const bool causal, precedes;
  const PrefixBank bank;
  const AttentionBias buckets;
  const std::vector<AttentionRow> rows;
  const std::vector<std::vector<PrefixRow>> prefixes;  // of each row
  const DiagonalBias diagonals;

  template <class O>
  AttentionPlan(const Call& call, O)
      : heads(call.attr[O::a_heads].i), head_dim(call.in[O::q].dim[1] / heads), causal(call.attr[O::a_causal].i != 0),
        precedes(call.attr[O::a_policy].i == 1), bank(PrefixBank::of(call, O{})),
        buckets(call.in[O::bias], call.attr[O::a_max_distance].i, call.attr[O::a_bidirectional].i != 0, precedes),
        rows(all_rows(AttentionRows::of(call, bank, O{}))), prefixes(all_prefixes(bank, rows)),
        diagonals(all_diagonals(call.in[O::bias])), prefix_bias_(call.in[O::prefix_bias]), q_(RowView::of(call.in[O::q])),
        k_(RowView::of(call.in[O::k])), v_(RowView::of(call.in[O::v])), pk_(RowView::of(call.in[O::pk])),
        pv_(RowView::of(call.in[O::pv])) {}

  // Queries [first, first + count) of row r.
  AttentionTile tile(int64_t r, int64_t head, int64_t first, int64_t count) const {
    const AttentionRow& row = rows[r];
    const int64_t keys = causal ? std::min(row.k1 - row.k0, first + count) : row.k1 - row.k0;
    const float extra = prefix_bias_ && row.slot >= 0 ? prefix_bias_.f32()[row.slot * heads + head] : 0.0f;
    return {q_, k_, v_, pk_, pv_, head_dim, head * head_dim, row.q0 + first, count, first, row.k0, keys,
            prefixes[r].data(), static_cast<int64_t>(prefixes[r].size()), extra, precedes, &diagonals, diagonals.head(head)};
  }

 private:
  static std::vector<AttentionRow> all_rows(const AttentionRows& rows) {
    std::vector<AttentionRow> list;
    for (int64_t r = 0; r < rows.count(); ++r) list.push_back(rows[r]);
    return list;
  }
  static std::vector<std::vector<PrefixRow>> all_prefixes(const PrefixBank& bank, const std::vector<AttentionRow>& rows) {
    std::vector<std::vector<PrefixRow>> lists;
    for (const AttentionRow& row : rows) lists.push_back(prefix_rows(bank, row.slot));
    return lists;
  }
  DiagonalBias all_diagonals(const Tensor& bias) const {
    int64_t queries = 0, keys = 0, prefix = 0;
    for (const AttentionRow& row : rows) {
      queries = std::max(queries, row.q1 - row.q0);
      keys = std::max(keys, row.k1 - row.k0);
      prefix = std::max(prefix, row.prefix_len);
    }
    return DiagonalBias(bias, buckets, heads, queries, keys, prefix, causal);
  }

  const Tensor& prefix_bias_;
  const RowView q_, k_, v_, pk_, pv_;
};

}  // namespace ht
