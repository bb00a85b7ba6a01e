// Gradients of a low-rank term and of a plain weight on the CPU.
//
// lora_linear_dab: the coefficients of both sides, t = scale mid (A x) and z = scale mid (B dy), are [T, rank] and come
// first (x and dy read once). Then every (page, block of columns) is a tile of its own that walks the rows which use the
// page in their order: dB = t^T dy, dA = z^T x. x and dy are read once per page that a row uses; sums need no atomics.
#include <algorithm>
#include <vector>

#include "core/ops.gen.h"
#include "cpu/gemm.h"
#include "cpu/threads.h"
#include "ops/lora_linear.h"
#include "ops/low_rank.h"
#include "ops/packed_weight.h"

namespace ht {
namespace {

constexpr int64_t kColumns = 256;  // columns of one tile: with 64 tokens of x they fit the L2

struct PageUse {
  int64_t row, entry;
};

// Gradient of the bank side whose rows are summed as coefficients^T x.
void add_pages(const LowRankTerm& term, const std::vector<std::vector<PageUse>>& uses, const Tensor& x, Tensor& grad) {
  const int64_t width = x.dim[1], blocks = (width + kColumns - 1) / kColumns, pr = term.low.page_rank;
  cpu::parallel(static_cast<int64_t>(uses.size()) * blocks, [&](int64_t tile, int) {
    const int64_t page = tile / blocks, n0 = tile % blocks * kColumns, n1 = std::min(width, n0 + kColumns);
    float* out = grad.f32() + page * pr * width;
    for (int64_t k = 0; k < pr; ++k) std::fill(out + k * width + n0, out + k * width + n1, 0.0f);
    for (const PageUse& use : uses[page]) {
      const int64_t t = term.offsets.begin(use.row), tokens = term.offsets.end(use.row) - t;
      add_outer_products(pr, tokens, term.coefficients.data() + t * term.width() + use.entry * pr, term.width(),
                         static_cast<const char*>(x.data) + t * width * static_cast<int64_t>(dtype_size(x.dtype)), x.dtype,
                         width, n0, n1, out);
    }
  });
}

}  // namespace

void lora_linear_dab_cpu(const Call& call) {
  using O = op::lora_linear_dab;
  const Tensor &x = call.in[O::x], &dy = call.in[O::dy], &a = call.in[O::a], &b = call.in[O::b];
  const int64_t page_rank = call.attr[O::a_page_rank].i;
  const LowRank low{a, b, call.in[O::scale], call.in[O::mid],
                    PageTable(call.in[O::table], a.dim[0] / page_rank, call.flags), page_rank};
  const RowOffsets offsets(call.in[O::offsets], x.dim[0]);
  const std::vector<int32_t> rows = rows_of_tokens(offsets, x.dim[0]);
  std::vector<int64_t> slots;
  std::vector<std::vector<PageUse>> uses(static_cast<size_t>(low.table.pages()));
  for (int64_t r = 0; r < offsets.rows(); ++r) {
    slots.push_back(checked_index(call.in[O::slots], r, 0, low.table.slots(), call.flags));
    for (int64_t entry = 0; entry < low.table.entries(); ++entry) {
      const int64_t page = low.table.page(slots.back(), entry);
      if (page >= 0 && offsets.begin(r) < offsets.end(r)) uses[page].push_back({r, entry});
    }
  }
  LowRankTerm from_x{low, a, b, offsets, rows, slots, {}}, from_dy{low, b, a, offsets, rows, slots, {}};
  from_x.multiply(x.data, x.dtype);
  from_dy.multiply(dy.data, dy.dtype);
  add_pages(from_x, uses, dy, call.out[O::o_db]);
  add_pages(from_dy, uses, x, call.out[O::o_da]);
}

void linear_dw_cpu(const Call& call) {
  using O = op::linear_dw;
  cpu::gemm(matrix_of(call.in[O::dy]).t(), matrix_of(call.in[O::x]), matrix_out(call.out[O::o_dw]));
}

}  // namespace ht
