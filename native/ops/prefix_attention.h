// What a query of prefix_attention sees: the rows of its prefix slot, then the keys of its key row.
#pragma once
#include <cstdint>
#include <memory>

#include "core/ops.gen.h"
#include "core/tensor.h"
#include "ops/row_map.h"
#include "ops/t5_buckets.h"

namespace ht {

struct AttentionRow {
  int64_t q0, q1;      // rows of q; the query at q0 + i has position i
  int64_t key_row;     // of k_offsets, -1: none
  int64_t k0, k1;      // rows of k and v; the key at k0 + j has position j
  int64_t slot;        // prefix slot, -1: none
  int64_t prefix_len;  // prefix rows 0 .. prefix_len - 1
};

// The prefix bank as the three attention ops see it. Prefix row p of a slot lies in the slot's page number p / page_len;
// a row whose page is missing (-1) does not exist.
class PrefixBank {
 public:
  template <class O>
  static PrefixBank of(const Call& call, O) {
    return PrefixBank(call.in[O::prefix_slot], call.in[O::pk], call.in[O::prefix_table], call.in[O::prefix_len],
                      call.attr[O::a_page_len].i, call.flags);
  }

  explicit operator bool() const { return present_; }
  int64_t page_len() const { return page_len_; }

  int64_t slot(int64_t row) const {
    return present_ ? checked_index(prefix_slot_, row, 0, table_.slots(), flags_) : -1;
  }
  int64_t length(int64_t slot) const {
    return slot < 0 ? 0 : checked_index(prefix_len_, slot, 0, table_.entries() * page_len_ + 1, flags_);
  }
  // Row of pk and pv that holds prefix row p of a slot, or -1.
  int64_t row(int64_t slot, int64_t p) const {
    const int64_t page = table_.page(slot, p / page_len_);
    return page < 0 ? -1 : page * page_len_ + p % page_len_;
  }

 private:
  PrefixBank(const Tensor& prefix_slot, const Tensor& pk, const Tensor& table, const Tensor& prefix_len, int64_t page_len,
             RunFlags* flags)
      : prefix_slot_(prefix_slot), prefix_len_(prefix_len), table_(table, pk ? pk.dim[0] / page_len : 0, flags),
        page_len_(page_len), present_(pk), flags_(flags) {}

  const Tensor &prefix_slot_, &prefix_len_;
  PageTable table_;
  int64_t page_len_;
  bool present_;
  RunFlags* flags_;
};

// The packed rows of prefix_attention and its gradient.
class AttentionRows {
 public:
  template <class O>
  static AttentionRows of(const Call& call, const PrefixBank& bank, O) {
    return AttentionRows(call.in[O::q_offsets], call.in[O::q].dim[0], call.in[O::k_offsets], call.in[O::k].dim[0],
                         call.in[O::kv_row], bank, call.flags);
  }

  int64_t count() const { return queries_.rows(); }
  int64_t key_rows() const { return keys_.rows(); }

  AttentionRow operator[](int64_t r) const {
    const int64_t key = kv_row_ ? checked_index(kv_row_, r, 0, keys_.rows(), flags_) : r, slot = bank_.slot(r);
    const int64_t k0 = key < 0 ? 0 : keys_.begin(key), k1 = key < 0 ? 0 : keys_.end(key);
    return {queries_.begin(r), queries_.end(r), key, k0, k1, slot, bank_.length(slot)};
  }

 private:
  AttentionRows(const Tensor& q_offsets, int64_t tq, const Tensor& k_offsets, int64_t tk, const Tensor& kv_row,
                const PrefixBank& bank, RunFlags* flags)
      : queries_(q_offsets, tq), keys_(k_offsets, tk), kv_row_(kv_row), bank_(bank), flags_(flags) {}

  RowOffsets queries_, keys_;
  const Tensor& kv_row_;
  const PrefixBank& bank_;
  RunFlags* flags_;
};

// One key that a query sees.
struct AttentionColumn {
  bool prefix;
  int64_t row;      // of pk and pv, or of k and v
  int32_t bucket;   // row of the bias table, -1: no bias
};

// Buckets of all three ops; without a bias table every bucket is -1.
class AttentionBias {
 public:
  AttentionBias(const Tensor& bias, int64_t max_distance, bool bidirectional, bool prefix_precedes)
      : buckets_(bias ? T5Buckets::of(bias.dim[0], max_distance, bidirectional) : nullptr),
        prefix_precedes_(prefix_precedes) {}

  int32_t key(int64_t query, int64_t key) const { return buckets_ ? buckets_->bucket(key - query) : -1; }
  // Policy 0: none. Policy 1: prefix row p stands at position p - prefix_len.
  int32_t prefix(int64_t query, int64_t p, int64_t prefix_len) const {
    return buckets_ && prefix_precedes_ ? buckets_->bucket(p - prefix_len - query) : -1;
  }

 private:
  std::shared_ptr<const T5Buckets> buckets_;
  bool prefix_precedes_;
};

// Visits the prefix rows that a query at a position sees, in order.
template <class Visit>
void for_each_prefix_column(const PrefixBank& bank, const AttentionBias& bias, int64_t slot, int64_t prefix_len,
                            int64_t position, Visit&& visit) {
  for (int64_t p = 0; p < prefix_len; ++p) {
    const int64_t row = bank.row(slot, p);
    if (row >= 0) visit(AttentionColumn{true, row, bias.prefix(position, p, prefix_len)});
  }
}

// Visits what the query of row r of prefix_attention_decode sees, in order. Its position is length - 1.
template <class Visit>
void for_each_decode_column(const Call& call, const PrefixBank& bank, const AttentionBias& bias, int64_t r, int64_t slot,
                            Visit&& visit) {
  using O = op::prefix_attention_decode;
  const Tensor& ancestors = call.in[O::ancestors];
  const int64_t cache_len = call.attr[O::a_cache_len].i, cache_rows = call.in[O::k].dim[0] / cache_len;
  const int64_t length = checked_index(call.in[O::length], r, 0, cache_len + 1, call.flags);
  for_each_prefix_column(bank, bias, slot, bank.length(slot), length - 1, visit);
  const int64_t own = ancestors ? r : checked_index(r, 0, cache_rows, call.flags);
  for (int64_t t = 0; t < length; ++t) {
    const int64_t row = ancestors ? checked_index(ancestors, r * cache_len + t, 0, cache_rows, call.flags) : own;
    if (row >= 0) visit(AttentionColumn{false, row * cache_len + t, bias.key(length - 1, t)});
  }
}

}  // namespace ht
