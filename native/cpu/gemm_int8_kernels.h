// The inner loops of int8 products for one instruction set. Internal to native/cpu; callers use gemm_int8.h.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "cpu/isa.h"

namespace ht::cpu {

// One tile of y: rows <= mr, cols <= nr. k runs in fours over packed panels (gemm_pack.h): x as [quads][rows][4], W as
// [quads][nr][4].
struct Int8TileArgs {
  int64_t quads;
  const void* x;  // bytes, or words where x_bytes is 2
  const int8_t* w;
  const int32_t* x_sum;  // of each row of x
  const float* x_scale;
  const float* w_scale;
  void* y;
  DType y_dtype;
  int64_t ldy;
  int rows, cols;
};

struct Int8Kernels {
  int mr, nr;
  size_t x_bytes;
  int8_t flip;  // what panels of W are packed with: VNNI multiplies unsigned by signed bytes and wants w + 128
  void (*tile)(const Int8TileArgs&);
  // One row: values, their sum and the scale.
  void (*quantize)(const void* x, DType dtype, int64_t n, int8_t* values, int32_t* sum, float* scale);
};

const Int8Kernels& int8_kernels(Isa isa);

}  // namespace ht::cpu
