// The low-rank terms of lora_linear on the device: which slot a token reads, where a rank row lies, and the coefficients
// scale * mid * (inner x) that every kernel of the family starts from (inner is A forward, B backward; outer the other one).
#pragma once
#include "cuda/device.cuh"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/token_source_cuda.cuh"

namespace ht::cuda {

constexpr int kMaxWeights = 16;
constexpr int kRankGroup = 16;  // ranks that are multiplied together: one k16 of a tensor-core step

// Slot and row of a token. Packed rows are resolved into slot_of and row_of first; without offsets a token is its own row.
struct TokenMap {
  const int32_t *slot_of = nullptr, *row_of = nullptr, *slots = nullptr;
  int64_t slot_count = 0;

  // -1: none.
  __device__ __forceinline__ int32_t slot(int64_t token, int32_t* bad_index) const {
    if (slot_of) return slot_of[token];
    return slots ? static_cast<int32_t>(checked_index(slots[token], 0, slot_count, bad_index)) : -1;
  }
  __device__ __forceinline__ int64_t row(int64_t token) const { return row_of ? row_of[token] : token; }
};

// Pages of a bank as one term reads them.
struct Pages {
  const int32_t* table = nullptr;  // [slots, entries]
  int64_t pages = 0;
  int32_t entries = 0, page_rank = 1;

  __host__ __device__ __forceinline__ int width() const { return entries * page_rank; }
  __host__ __device__ __forceinline__ int groups() const { return (width() + kRankGroup - 1) / kRankGroup; }
  // Row of A and B that is rank j of a slot, -1 where there is none.
  __device__ __forceinline__ int64_t rank_row(int32_t slot, int j, int32_t* bad_index) const {
    if (slot < 0 || j >= width()) return -1;
    const int64_t page = checked_index(table[int64_t{slot} * entries + j / page_rank], -1, pages, bad_index);
    return page < 0 ? -1 : page * page_rank + j % page_rank;
  }
  // Groups of ranks up to the last page a slot has.
  __device__ __forceinline__ int groups_of(int32_t slot) const {
    if (slot < 0) return 0;
    int used = entries;
    while (used > 0 && table[int64_t{slot} * entries + used - 1] < 0) --used;
    return (used * page_rank + kRankGroup - 1) / kRankGroup;
  }
};

// Coefficients of a token for a term: floats [tokens, width], or for tensor cores bf16 [tokens, groups, 2, kRankGroup], the high and
// the low part of each (gemm_operand.cuh), zero beyond the width.
enum class Coefficients { Float, Parts };

struct LowRankTerm {
  bool present = false;
  const void* x = nullptr;  // [tokens, in]
  int64_t in = 0;
  const void *inner = nullptr, *outer = nullptr;
  DType x_dtype = DType::F32, inner_dtype = DType::F32, outer_dtype = DType::F32;
  Pages pages;
  const float *scale = nullptr, *mid = nullptr;
  void* coefficients = nullptr;
};

// Runs of neighbouring tokens with one slot, inside a tile of M tokens.
template <int M>
struct Runs {
  int32_t token_slot[M], slot[M];
  int begin[M + 1], warp_starts[M / kWarp], count;

  // By all threads of the block, of which there are at least M.
  __device__ __forceinline__ void find(const TokenMap& map, int64_t first, int64_t tokens, int32_t* bad_index) {
    const int i = threadIdx.x;
    const bool inside = i < M && first + i < tokens;
    if (i < M) token_slot[i] = inside ? map.slot(first + i, bad_index) : -1;
    __syncthreads();
    const bool starts = inside && (i == 0 || token_slot[i] != token_slot[i - 1]);
    const unsigned ballot = __ballot_sync(kAllLanes, starts);
    if (i < M && i % kWarp == 0) warp_starts[i / kWarp] = __popc(ballot);
    __syncthreads();
    if (starts) {
      int run = __popc(ballot & ((1u << i % kWarp) - 1));
      for (int w = 0; w < i / kWarp; ++w) run += warp_starts[w];
      slot[run] = token_slot[i];
      begin[run] = i;
    }
    if (i == 0) {
      count = 0;
      for (int w = 0; w < M / kWarp; ++w) count += warp_starts[w];
      begin[count] = tokens - first < M ? static_cast<int>(tokens - first) : M;
    }
    __syncthreads();
  }
};

struct Activation {
  const void* data;
  DType dtype;
};

// x as the left operand beside weights of a type: itself, or an f32 copy where it has a scale [slots, width] or meets f32 weights in bf16.
Activation activation(Launcher&, const Tensor& x, const Tensor& scale, const TokenMap& scale_slots, DType w_dtype);

// The map of `tokens` tokens through optional offsets and slots; launches a kernel where there are offsets. With `rows`, row_of too.
TokenMap token_map(Launcher&, const Tensor& offsets, const Tensor& slots, int64_t slot_count, int64_t tokens, bool rows);

// Memory for the coefficients of a term, and the coefficients of all present terms. Terms that share x are given together. `rows` is
// how many packed rows there are. A computed x (`from`) needs a row per token.
void* coefficient_memory(Launcher&, const LowRankTerm&, int64_t tokens, Coefficients form);
void low_rank_coefficients(Launcher&, const LowRankTerm* terms, int count, const TokenMap&, int64_t tokens, int64_t rows, Coefficients form,
                           const TokenSource& from = StoredTokens{});

}  // namespace ht::cuda
