// Packing of operands into the panels that the tiles of GEMM read. Internal to native/cpu.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "cpu/isa.h"

namespace ht::cpu {

// A strip of an operand: `count` lines (rows of A, columns of B), k elements each.
struct Strip {
  const void* data;
  DType dtype;
  int64_t line_stride, k_stride;  // in elements
  int count;
  int64_t k;
};

struct GemmPack {
  // panel[k * width + line], fp32 (bf16 is widened); lines from count to width are 0. count <= width.
  void (*f32)(const Strip& strip, float* panel, int width);
  // panel[(k / 2 * width + line) * 2 + k % 2], bf16; an odd last k is padded with 0.
  void (*pairs)(const Strip& strip, bf16_t* panel, int width);
  // panel[(k / 4 * width + line) * 4 + k % 4], int8, each byte ^ flip; k is padded to whole fours. Lines are contiguous in k.
  void (*quads)(const Strip& strip, int8_t* panel, int width, int8_t flip);
};

const GemmPack& gemm_pack(Isa isa);

}  // namespace ht::cpu
