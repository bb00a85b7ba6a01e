// Matrix products on the device: the one place where the kernel for a product is chosen.
#pragma once
#include "core/dtype.h"
#include "cuda/launcher.h"

namespace ht::cuda {

// Element (i, j) at i * row_stride + j * column_stride; one of the strides is 1.
struct Matrix {
  const void* data;
  DType dtype;
  int64_t row_stride, column_stride;
};

struct Gemm {
  int64_t m, n, k;
  Matrix a;  // m x k
  Matrix b;  // k x n
  void* c;   // m x n, row-major with c_stride elements per row
  DType c_dtype;
  int64_t c_stride;
  float alpha = 1, beta = 0;  // c = alpha a b + beta c (beta 0: c is not read)
};

// Operands f32 or bf16 (they may differ), fp32 accumulation, sums in an order that depends on the shape alone. Asks for scratch
// memory that does not depend on the shape.
void gemm(Launcher&, const Gemm&);

}  // namespace ht::cuda
