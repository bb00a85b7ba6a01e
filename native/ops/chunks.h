// How the fast kernels cut their work. Only the shape decides, so the bits do not depend on the thread count.
#pragma once
#include <algorithm>

#include "core/tensor.h"
#include "cpu/threads.h"

namespace ht {

constexpr int64_t kChunk = 32768;  // elements: some 20 us of memory traffic

// f(begin, count) for consecutive pieces of [0, n), on the pool.
template <class F>
void for_chunks(int64_t n, const F& f) {
  cpu::parallel((n + kChunk - 1) / kChunk, [&](int64_t tile, int) { f(tile * kChunk, std::min(kChunk, n - tile * kChunk)); });
}

// Rows of `width` elements that make up one piece.
inline int64_t rows_per_chunk(int64_t width) { return std::max<int64_t>(1, kChunk / std::max<int64_t>(1, width)); }

// f(begin, end) for consecutive pieces of `rows`, on the pool.
template <class F>
void for_row_chunks(int64_t rows, int64_t width, const F& f) {
  const int64_t step = rows_per_chunk(width);
  cpu::parallel((rows + step - 1) / step, [&](int64_t tile, int) { f(tile * step, std::min(rows, (tile + 1) * step)); });
}

// f(float{}) or f(bf16_t{}): turns a storage type into a template argument.
template <class F>
decltype(auto) with_type(DType dtype, const F& f) {
  if (dtype == DType::BF16) return f(bf16_t{});
  return f(float{});
}

template <class T>
const T* data_of(const Tensor& t) {
  return static_cast<const T*>(t.data);
}
template <class T>
T* data_of(Tensor& t) {
  return static_cast<T*>(t.data);
}

}  // namespace ht
