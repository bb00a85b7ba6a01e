// Matrix products on the CPU: C = alpha * A * B + beta * C, fp32 accumulation, any sizes, any strides.
#pragma once
#include <cstdint>
#include <memory>

#include "core/dtype.h"
#include "cpu/function_ref.h"
#include "cpu/isa.h"

namespace ht::cpu {

// A read-only matrix view; element (i, j) is data[i * row_stride + j * col_stride]. dtype F32 or BF16; I8 where it says so.
struct Matrix {
  const void* data;
  DType dtype;
  int64_t rows, cols;
  int64_t row_stride, col_stride;  // in elements

  // Row-major, stride 0 meaning "dense".
  static Matrix of(const void* data, DType dtype, int64_t rows, int64_t cols, int64_t row_stride = 0) {
    return {data, dtype, rows, cols, row_stride ? row_stride : cols, 1};
  }
  // The same memory seen as its transpose: y = x W^T is gemm(x, w.t(), y).
  Matrix t() const { return {data, dtype, cols, rows, col_stride, row_stride}; }
};

// The result, row-major; dtype F32 or BF16. Must not overlap an operand.
struct MatrixOut {
  void* data;
  DType dtype;
  int64_t rows, cols;
  int64_t row_stride;  // in elements

  static MatrixOut of(void* data, DType dtype, int64_t rows, int64_t cols, int64_t row_stride = 0) {
    return {data, dtype, rows, cols, row_stride ? row_stride : cols};
  }
};

// B re-ordered into column panels for one instruction set: a derived cache that callers keep beside a frozen weight.
// Same number of bytes per element as the source (rounded up to whole panels). Copies share the memory; read-only.
class PackedB {
 public:
  PackedB() = default;
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  DType dtype() const { return dtype_; }
  size_t bytes() const { return bytes_; }
  // False when empty or packed for another instruction set than the active one; gemm() then reads B itself.
  bool usable() const;

 private:
  friend PackedB pack_b(const Matrix&);
  friend struct GemmCall;
  friend struct Int8Call;
  std::shared_ptr<const void> data_;
  int64_t rows_ = 0, cols_ = 0;
  size_t bytes_ = 0;
  DType dtype_ = DType::F32;
  Isa isa_ = Isa::Portable;
};

// Packs in parallel on the pool; I8 (for gemm_int8.h) with columns contiguous. Empty result (usable() false) when memory runs out.
PackedB pack_b(const Matrix& b);

// Called once for every rectangle of C, after its full K sum was stored and while it is in cache, from the pool's
// threads, for disjoint rectangles that cover C: rows [m0, m1), columns [n0, n1). May change C there. Must not throw.
using Epilogue = FunctionRef<void(int64_t m0, int64_t m1, int64_t n0, int64_t n1)>;

struct GemmOptions {
  float alpha = 1.0f;
  bool accumulate = false;           // beta: false = 0 (C is not read), true = 1
  const PackedB* packed_b = nullptr; // the same values as B; B itself is read when not usable(), or where that is faster
  Epilogue epilogue;                 // empty: none; not owned, so give it a named callable
};

// C[M,N] = alpha * A[M,K] * B[K,N] (+ C). Sizes may be 0; K = 0 gives 0 (+ C). NaN and infinities propagate.
// Bits depend on shapes, strides, dtypes, instruction set, and whether a PackedB was used; never on the thread count.
// Shapes must agree (checked by the caller: the engine validates programs). Inside a tile it runs on that thread alone.
void gemm(const Matrix& a, const Matrix& b, const MatrixOut& c, const GemmOptions& options = {});

// Many independent products, one tile each, e.g. per head or per adapter. `task(i)` is called on a pool thread.
struct GemmTask {
  Matrix a, b;
  MatrixOut c;
  float alpha = 1.0f;
  bool accumulate = false;
};
void gemm_batched(int64_t count, const FunctionRef<GemmTask(int64_t index)>& task);

}  // namespace ht::cpu
