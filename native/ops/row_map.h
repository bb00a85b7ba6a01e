// Row maps: how packed rows find their tokens, their slot in a bank, and the slot's pages. Shared by the reference and
// the fast kernels of one op, so that both walk in the same order and treat bad indices alike.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/tensor.h"
#include "ops/index.h"

namespace ht {

// index[i] in [lo, hi), as checked_index of ops/index.h.
inline int64_t checked_index(const Tensor& index, int64_t i, int64_t lo, int64_t hi, RunFlags* flags) {
  return checked_index(index.i32()[i], lo, hi, flags);
}

// Tokens [begin(r), end(r)) of packed row r. Without offsets every token is a row of its own.
class RowOffsets {
 public:
  RowOffsets(const Tensor& offsets, int64_t tokens)
      : starts_(offsets ? offsets.i32() : nullptr), rows_(offsets ? offsets.dim[0] - 1 : tokens), tokens_(tokens) {}
  int64_t rows() const { return rows_; }
  int64_t begin(int64_t r) const { return starts_ ? std::clamp<int64_t>(starts_[r], 0, tokens_) : r; }
  int64_t end(int64_t r) const { return starts_ ? std::clamp<int64_t>(starts_[r + 1], begin(r), tokens_) : r + 1; }

 private:
  const int32_t* starts_;
  int64_t rows_, tokens_;
};

// A bank's page table i32 [slots, entries]: entry -1 is no page.
class PageTable {
 public:
  PageTable(const Tensor& table, int64_t pages, RunFlags* flags) : table_(table), pages_(pages), flags_(flags) {}
  int64_t slots() const { return table_.dim[0]; }
  int64_t entries() const { return table_.dim[1]; }
  int64_t pages() const { return pages_; }
  // The page at an entry of a slot, or -1.
  int64_t page(int64_t slot, int64_t entry) const {
    return slot < 0 ? -1 : checked_index(table_, slot * entries() + entry, -1, pages_, flags_);
  }

 private:
  const Tensor& table_;
  int64_t pages_;
  RunFlags* flags_;
};

}  // namespace ht
