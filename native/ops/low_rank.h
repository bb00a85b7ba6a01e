// The low-rank half of lora_linear on the CPU: t = scale * mid * (A x) for whole batches, and y += t B for rectangles of y.
// Both sides are tiny next to the weight, so nothing is packed: A and B rows are read where they lie in the bank.
#pragma once
#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "ops/lora_linear.h"

namespace ht {

// Row of every packed token.
std::vector<int32_t> rows_of_tokens(const RowOffsets& offsets, int64_t tokens);

// One low-rank term bound to a batch. `coefficients` is [tokens, entries * page_rank], zero where a page is missing.
struct LowRankTerm {
  const LowRank& low;
  const Tensor& inner;                 // what x is multiplied with: A forward, B backward
  const Tensor& outer;                 // what the coefficients are multiplied with
  const RowOffsets& offsets;
  const std::vector<int32_t>& rows;    // of tokens
  const std::vector<int64_t>& slots;   // of rows; -1: none
  std::vector<float> coefficients;

  int64_t width() const { return low.table.entries() * low.page_rank; }
  int64_t tokens() const { return static_cast<int64_t>(rows.size()); }

  // coefficients = scale[slot] * mid * (inner x), x [tokens, inner.dim[1]] of dtype f32 or bf16; on the pool.
  void multiply(const void* x, DType x_dtype);

  // y[m0..m1, n0..n1) += coefficients * outer; y is [tokens, outer.dim[1]], f32 or bf16. On the calling thread.
  void add_to(Tensor& y, int64_t m0, int64_t m1, int64_t n0, int64_t n1) const;
};

// out[0..ranks, n0..n1) += sum over `tokens` of coefficients[token, 0..ranks) * x[token, n0..n1); out is f32 with rows of
// x_width, coefficients rows of `width`. On the calling thread, tokens in order.
void add_outer_products(int64_t ranks, int64_t tokens, const float* coefficients, int64_t width, const void* x, DType x_dtype,
                        int64_t x_width, int64_t n0, int64_t n1, float* out);

// y[m, n0..n1) = x[m, n0..n1) * factor[slot of m] for m0 <= m < m1; in place when x == y. Rows without a slot are copied.
void scale_rows(const void* x, DType x_dtype, const Tensor& factor, const std::vector<int32_t>& rows,
                const std::vector<int64_t>& slots, void* y, DType y_dtype, int64_t width, int64_t m0, int64_t m1, int64_t n0,
                int64_t n1);

}  // namespace ht
