// Gradients of one low-rank term on the device: dB[page] = sum of c_x[t]^T dy[t] and dA[page] = sum of c_dy[t]^T x[t] over the tokens that use
// the page, with c_x = scale mid (A x) and c_dy = scale mid (B dy) from lora_linear_low_rank_cuda.cu.
//
// Layout: a block owns a page and 128 columns; 16 ranks x 4 columns per thread stay in registers. It finds the rows that use the page
// by scanning slots and table, 256 at a time, kept in order; its eight warps take tokens in turn and are added in order at the end.
// Bytes moved: x and dy once per page that a row has, coefficients once per 128 columns, from the L1.
// Few pages over many tokens (one adapter that is tuned) are cut into pieces of tokens: partial sums in scratch, added in order. Pieces
// depend on the shape alone.
#include "core/ops_cuda.gen.h"
#include "ops/lora_linear_low_rank_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kWarps = 8, kThreads = kWarps * kWarp, kRanks = 16, kPerLane = 4, kColumns = kPerLane * kWarp;
constexpr int64_t kPieceTokens = 512, kPieceRanks = 1024;  // least tokens of a piece; most rank rows of all pieces together

struct Outer {
  const void* x;              // [tokens, width]
  const float* coefficients;  // [tokens, pages.width()]
  float* out;                 // [pieces, ranks, width]
  int64_t width, rows, tokens, piece_tokens;
  const int32_t *offsets, *slots;
  int64_t slot_count;
  Pages pages;
};

template <class X>
__global__ void __launch_bounds__(kThreads, 2) outer_kernel(Outer o) {
  SHARED(int32_t, use_row, [kThreads]);
  SHARED(int32_t, use_entry, [kThreads]);
  SHARED(int, warp_uses, [kWarps]);
  DYN_SHARED(float, sums);  // [warps, ranks, columns]
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t column_blocks = (o.width + kColumns - 1) / kColumns, page = blockIdx.x / column_blocks, column0 = blockIdx.x % column_blocks * kColumns;
  const int64_t first = blockIdx.y * o.piece_tokens, last = first + o.piece_tokens < o.tokens ? first + o.piece_tokens : o.tokens;
  const X* const x = static_cast<const X*>(o.x);
  const int page_rank = o.pages.page_rank, width = o.pages.width();
  float* const out = o.out + (blockIdx.y * o.pages.pages + page) * page_rank * o.width;

  for (int rank0 = 0; rank0 < page_rank; rank0 += kRanks) {
    float acc[kRanks][kPerLane] = {};
    for (int64_t base = 0; base < o.rows * o.pages.entries; base += kThreads) {
      const int64_t pair = base + threadIdx.x, row = pair / o.pages.entries;
      const int entry = static_cast<int>(pair % o.pages.entries);
      bool uses = false;
      if (row < o.rows) {
        const int64_t slot = checked_index(o.slots[row], 0, o.slot_count, nullptr);
        uses = slot >= 0 && checked_index(o.pages.table[slot * o.pages.entries + entry], -1, o.pages.pages, nullptr) == page;
      }
      const unsigned ballot = __ballot_sync(kAllLanes, uses);
      if (lane == 0) warp_uses[warp] = __popc(ballot);
      __syncthreads();  // also: the list before has been read
      int at = __popc(ballot & ((1u << lane) - 1)), all = 0;
      for (int w = 0; w < kWarps; ++w) {
        if (w < warp) at += warp_uses[w];
        all += warp_uses[w];
      }
      if (uses) {
        use_row[at] = static_cast<int32_t>(row);
        use_entry[at] = entry;
      }
      __syncthreads();
      for (int u = 0; u < all; ++u) {
        int64_t begin = use_row[u], end = begin + 1;
        if (o.offsets) {
          begin = o.offsets[use_row[u]];
          end = o.offsets[use_row[u] + 1];
        }
        if (begin < first) begin = first;
        if (end > last) end = last;
        const int c0 = use_entry[u] * page_rank + rank0;
        for (int64_t t = begin + (warp - begin % kWarps + kWarps) % kWarps; t < end; t += kWarps) {
          const float* const c = o.coefficients + t * width + c0;
          float left[kRanks], right[kPerLane];
#pragma unroll
          for (int i = 0; i < kPerLane; ++i) {
            const int64_t j = column0 + i * kWarp + lane;
            right[i] = j < o.width ? to_float(x[t * o.width + j]) : 0.0f;
          }
#pragma unroll
          for (int r = 0; r < kRanks; ++r) left[r] = rank0 + r < page_rank ? c[r] : 0.0f;
#pragma unroll
          for (int r = 0; r < kRanks; ++r)
#pragma unroll
            for (int i = 0; i < kPerLane; ++i) acc[r][i] += left[r] * right[i];
        }
      }
    }
#pragma unroll
    for (int r = 0; r < kRanks; ++r)
#pragma unroll
      for (int i = 0; i < kPerLane; ++i) sums[(warp * kRanks + r) * kColumns + i * kWarp + lane] = acc[r][i];
    __syncthreads();
    for (int e = threadIdx.x; e < kRanks * kColumns; e += kThreads) {
      const int rank = rank0 + e / kColumns;
      const int64_t j = column0 + e % kColumns;
      float v = sums[e];
#pragma unroll
      for (int w = 1; w < kWarps; ++w) v += sums[w * kRanks * kColumns + e];
      if (rank < page_rank && j < o.width) out[rank * o.width + j] = v;
    }
    __syncthreads();
  }
}

__global__ void __launch_bounds__(kThreads) add_pieces_kernel(const float* partial, float* out, int64_t size, int64_t pieces) {
  const int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (e >= size) return;
  float sum = 0;
  for (int64_t p = 0; p < pieces; ++p) sum += partial[p * size + e];
  out[e] = sum;
}

}  // namespace

void lora_linear_dab_cuda(const Call& c, Launcher& l) {
  using Op = op::lora_linear_dab;
  const Tensor &offsets = c.in[Op::offsets], &slots = c.in[Op::slots], &table = c.in[Op::table];
  const int64_t tokens = c.in[Op::x].dim[0], rows = offsets ? offsets.dim[0] - 1 : tokens;
  const TokenMap map = token_map(l, offsets, slots, table.dim[0], tokens, true);

  struct Side {
    const Tensor &x, &inner, &other, &grad;
  };
  const Side sides[] = {{c.in[Op::x], c.in[Op::a], c.in[Op::dy], c.out[Op::o_db]}, {c.in[Op::dy], c.in[Op::b], c.in[Op::x], c.out[Op::o_da]}};
  LowRankTerm terms[2];
  for (int i = 0; i < 2; ++i) {
    LowRankTerm& t = terms[i];
    t.present = true;
    t.x = sides[i].x.data;
    t.in = sides[i].x.dim[1];
    t.x_dtype = sides[i].x.dtype;
    t.inner = sides[i].inner.data;
    t.inner_dtype = sides[i].inner.dtype;
    t.pages = {data<const int32_t>(table), sides[i].inner.dim[0] / c.attr[Op::a_page_rank].i, static_cast<int32_t>(table.dim[1]), c.attr[Op::a_page_rank].i};
    t.scale = data<const float>(c.in[Op::scale]);
    t.mid = data<const float>(c.in[Op::mid]);
    t.coefficients = coefficient_memory(l, t, tokens, Coefficients::Float);
  }
  low_rank_coefficients(l, terms, 2, map, tokens, rows, Coefficients::Float);

  for (int i = 0; i < 2; ++i) {
    const Tensor &x = sides[i].other, &grad = sides[i].grad;
    const int64_t ranks = grad.dim[0], width = grad.dim[1];
    float* const partial = l.scratch<float>(kPieceRanks * width);
    const int64_t pieces = ranks ? std::max<int64_t>(1, std::min(kPieceRanks / ranks, tokens / kPieceTokens)) : 1;
    float* const total = data<float>(grad);
    const Outer o{x.data, static_cast<const float*>(terms[i].coefficients), pieces > 1 ? partial : total, width, rows, tokens, (tokens + pieces - 1) / pieces,
                  data<const int32_t>(offsets), data<const int32_t>(slots), table.dim[0], terms[i].pages};
    const dim3 grid(static_cast<unsigned>(o.pages.pages * blocks_for(width, kColumns)), static_cast<unsigned>(pieces));
    with_types([&](auto type) {
      l.launch(outer_kernel<decltype(type)>, grid, dim3(kThreads), sizeof(float) * kWarps * kRanks * kColumns, o);
    }, x);
    if (pieces > 1) l.launch(add_pieces_kernel, dim3(blocks_for(ranks * width, kThreads)), dim3(kThreads), 0, partial, total, ranks * width, pieces);
  }
}

}  // namespace ht::cuda
