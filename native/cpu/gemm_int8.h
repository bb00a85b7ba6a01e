// Products of int8 matrices on the CPU: y = x W^T with the rows of x quantised on the way in. Sums are int32 and exact, so
// that a row's result depends on that row and on W alone: not on other rows, the instruction set or the number of threads.
#pragma once
#include <cstdint>

#include "cpu/gemm.h"
#include "cpu/workspace.h"

namespace ht::cpu {

// The rows of a float matrix in int8 (core/int8.h), packed for the active instruction set. May serve several products.
class Int8Rows {
 public:
  // x dense, F32 or BF16, at most kMostInt8Terms columns; alpha multiplies every product.
  explicit Int8Rows(const Matrix& x, float alpha = 1.0f);

 private:
  friend struct Int8Call;
  int64_t tile_begin(int64_t tile) const { return rows_ * tile / tiles_; }

  int64_t rows_, depth_, tiles_, quads_, row_bytes_;
  Workspace values_, scales_, sums_;
};

struct Int8Options {
  const PackedB* packed_w = nullptr;  // pack_b(w.t()); W itself is read when not usable()
  Epilogue epilogue;                  // as in GemmOptions
};

// y[i, j] = float(sum over k of x8[i, k] w[j, k]) * (scale[i] * w_scale[j]); w is I8 with its rows contiguous.
void gemm_int8(const Int8Rows& x, const Matrix& w, const float* w_scale, const MatrixOut& y, const Int8Options& options = {});

}  // namespace ht::cpu
