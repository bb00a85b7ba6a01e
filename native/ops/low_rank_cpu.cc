// Low-rank products on the CPU. Reads A, B and x once each from memory: per token 2 r (in + out) flops, so at r = 16 a
// few percent of the weight's own product. x A^T is cut into blocks of tokens (rows of A stay in the L1, dot products
// along `in`); t B is added to each rectangle of y that the weight's product has just stored, while it is in cache.
#ifndef HT_ISA_PASS
#include "ops/low_rank.h"

#include <algorithm>

#include "cpu/threads.h"
#include "cpu/vec.h"
#define HT_KERNELS "ops/low_rank_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {
namespace {

constexpr int64_t kTokenBlock = 12;  // tokens of one tile of x A^T: a page of A comes from the L2 once per tile
constexpr int64_t kDepthBlock = 64;  // tokens that an outer product reads per pass over its outputs

bool is_bf16(DType t) { return t == DType::BF16; }

const char* at(const void* data, DType dtype, int64_t element) {
  return static_cast<const char*>(data) + element * static_cast<int64_t>(dtype_size(dtype));
}

auto pick_dot(DType x, DType a) {
  if (is_bf16(x)) return is_bf16(a) ? HT_DISPATCH(dot_rows<bf16_t, bf16_t>) : HT_DISPATCH(dot_rows<bf16_t, float>);
  return is_bf16(a) ? HT_DISPATCH(dot_rows<float, bf16_t>) : HT_DISPATCH(dot_rows<float, float>);
}

auto pick_add(DType b, DType y) {
  if (is_bf16(b)) return is_bf16(y) ? HT_DISPATCH(add_rows<bf16_t, bf16_t>) : HT_DISPATCH(add_rows<bf16_t, float>);
  return is_bf16(y) ? HT_DISPATCH(add_rows<float, bf16_t>) : HT_DISPATCH(add_rows<float, float>);
}

auto pick_scale(DType x, DType y) {
  if (is_bf16(x)) return is_bf16(y) ? HT_DISPATCH(scale_row<bf16_t, bf16_t>) : HT_DISPATCH(scale_row<bf16_t, float>);
  return is_bf16(y) ? HT_DISPATCH(scale_row<float, bf16_t>) : HT_DISPATCH(scale_row<float, float>);
}

}  // namespace

std::vector<int32_t> rows_of_tokens(const RowOffsets& offsets, int64_t tokens) {
  std::vector<int32_t> rows(static_cast<size_t>(tokens));
  for (int64_t r = 0; r < offsets.rows(); ++r)
    for (int64_t t = offsets.begin(r); t < offsets.end(r); ++t) rows[t] = static_cast<int32_t>(r);
  return rows;
}

void LowRankTerm::multiply(const void* x, DType x_dtype) {
  const int64_t length = inner.dim[1], pr = low.page_rank;
  coefficients.assign(static_cast<size_t>(tokens() * width()), 0.0f);
  const auto dot = pick_dot(x_dtype, inner.dtype);
  cpu::parallel((tokens() + kTokenBlock - 1) / kTokenBlock, [&](int64_t tile, int) {
    const int64_t end = std::min(tokens(), (tile + 1) * kTokenBlock);
    for (int64_t t = tile * kTokenBlock, next; t < end; t = next) {
      const int64_t row = rows[t], slot = slots[row];
      next = std::clamp(offsets.end(row), t + 1, end);
      for (int64_t entry = 0; entry < low.table.entries(); ++entry) {
        const int64_t page = low.table.page(slot, entry);
        if (page < 0) continue;
        float* out = coefficients.data() + t * width() + entry * pr;
        dot(next - t, pr, length, at(x, x_dtype, t * length), at(inner.data, inner.dtype, page * pr * length), out, width());
        const float scale = low.scale.f32()[slot];
        for (int64_t m = 0; m < next - t; ++m)
          for (int64_t k = 0; k < pr; ++k)
            out[m * width() + k] *= scale * (low.mid ? low.mid.f32()[low.mid_at(row, entry) + k] : 1.0f);
      }
    }
  });
}

void LowRankTerm::add_to(Tensor& y, int64_t m0, int64_t m1, int64_t n0, int64_t n1) const {
  const int64_t length = outer.dim[1], pr = low.page_rank;
  const auto add = pick_add(outer.dtype, y.dtype);
  for (int64_t t = m0, next; t < m1; t = next) {
    const int64_t row = rows[t];
    next = std::clamp(offsets.end(row), t + 1, m1);
    for (int64_t entry = 0; entry < low.table.entries(); ++entry) {
      const int64_t page = low.table.page(slots[row], entry);
      if (page < 0) continue;
      add(next - t, n1 - n0, pr, coefficients.data() + t * width() + entry * pr, width(), 1,
          at(outer.data, outer.dtype, page * pr * length + n0), length,
          const_cast<char*>(at(y.data, y.dtype, t * length + n0)), length);
    }
  }
}

void add_outer_products(int64_t ranks, int64_t tokens, const float* coefficients, int64_t width, const void* x, DType x_dtype,
                        int64_t x_width, int64_t n0, int64_t n1, float* out) {
  const auto add = pick_add(x_dtype, DType::F32);
  for (int64_t t = 0; t < tokens; t += kDepthBlock)
    add(ranks, n1 - n0, std::min(kDepthBlock, tokens - t), coefficients + t * width, 1, width,
        at(x, x_dtype, t * x_width + n0), x_width, reinterpret_cast<char*>(out + n0), x_width);
}

void scale_rows(const void* x, DType x_dtype, const Tensor& factor, const std::vector<int32_t>& rows,
                const std::vector<int64_t>& slots, void* y, DType y_dtype, int64_t width, int64_t m0, int64_t m1, int64_t n0,
                int64_t n1) {
  const auto scale = pick_scale(x_dtype, y_dtype);
  for (int64_t m = m0; m < m1; ++m) {
    const int64_t slot = slots[rows[m]], first = m * width + n0;
    scale(n1 - n0, at(x, x_dtype, first), slot < 0 ? nullptr : factor.f32() + slot * width + n0,
          const_cast<char*>(at(y, y_dtype, first)));
  }
}

}  // namespace ht

#else
#include "ops/dot_product.inc"
#include "ops/small_product.inc"

template <class TX, class TA>
void dot_rows(int64_t rows, int64_t ranks, int64_t length, const char* x, const char* a, float* out, int64_t stride) {
  dot_product(rows, ranks, length, reinterpret_cast<const TX*>(x), length, reinterpret_cast<const TA*>(a), length, out, stride);
}

template <class TB, class TY>
void add_rows(int64_t rows, int64_t cols, int64_t depth, const float* a, int64_t a_row, int64_t a_col, const char* b,
              int64_t ldb, char* y, int64_t ldy) {
  small_product<true>(rows, cols, depth, a, a_row, a_col, reinterpret_cast<const TB*>(b), ldb, reinterpret_cast<TY*>(y), ldy);
}

template <class TX, class TY>
void scale_row(int64_t n, const char* x, const float* factor, char* y) {
  const TX* from = reinterpret_cast<const TX*>(x);
  TY* to = reinterpret_cast<TY*>(y);
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec v = Vec::load(from + i, lanes);
    (factor ? v * Vec::load(factor + i, lanes) : v).store(to + i, lanes);
  });
}
#endif
