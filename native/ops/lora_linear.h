// The operands of the lora_linear family as its kernels walk them: rows, their tokens, their slot, the slot's pages.
#pragma once
#include <cstdint>

#include "core/ops.gen.h"
#include "core/tensor.h"
#include "ops/row_map.h"

namespace ht {

// One low-rank term: A and B are rank rows in pages of page_rank; mid scales rank j of row r by mid[r, j], where j counts
// through the entries of the page table.
struct LowRank {
  const Tensor &a, &b, &scale, &mid;
  PageTable table;
  int64_t page_rank;

  // Operands of repetition i of lora_linear or lora_linear_dx. Test `a` before use: it may be absent.
  template <class O>
  static LowRank of(const Call& call, int i, O) {
    const int64_t page_rank = call.attr[O::a_page_rank].i;
    const Tensor& a = O::in(call, O::a, i);
    return {a, O::in(call, O::b, i), O::in(call, O::scale, i), O::in(call, O::mid, i),
            PageTable(O::in(call, O::table, i), a ? a.dim[0] / page_rank : 0, call.flags), page_rank};
  }

  // mid of the first rank of a table entry.
  int64_t mid_at(int64_t row, int64_t entry) const { return (row * table.entries() + entry) * page_rank; }
};

// Slot of a row in an optional row map, -1 where there is none.
inline int64_t slot_of(const Tensor& slots, int64_t row, int64_t count, RunFlags* flags) {
  return slots ? checked_index(slots, row, 0, count, flags) : -1;
}

// Factor of channel i in an optional Scale state [slots, channels].
inline double scale_at(const Tensor& scale, int64_t slot, int64_t i) {
  return scale && slot >= 0 ? scale.get(slot * scale.dim[1] + i) : 1.0;
}

}  // namespace ht
