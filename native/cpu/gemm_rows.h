// GEMM for few rows and an unpacked, row-major weight. Internal to native/cpu; gemm() tries it first.
#pragma once
#include "cpu/gemm.h"

namespace ht::cpu {

// Computes C and returns true where this is the faster way: at most 8 rows, the columns of B contiguous in k.
bool gemm_few_rows(const Matrix& a, const Matrix& b, const MatrixOut& c, const GemmOptions& options);

}  // namespace ht::cpu
