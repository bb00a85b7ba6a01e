// The inner loops of GEMM for one instruction set. Internal to native/cpu; callers use gemm.h.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "cpu/isa.h"

namespace ht::cpu {

// One tile of C: rows <= mr, cols <= nr. K runs over packed panels (gemm_pack.h): A as [k][rows], B as [k][nr].
struct TileArgs {
  int64_t k;
  const void* a;
  const void* b;
  float* c;
  int64_t ldc;
  int rows, cols;
  float alpha;
  bool load_c;  // c = alpha * a b + c, else c is not read
  // What is requested for later: kNr * 4 bytes from `ahead` on at the first k, `ahead_step` bytes further at each k (bf16: pair of k).
  const char* ahead;
  int64_t ahead_step;
};
using TileKernel = void (*)(const TileArgs&);

// Few rows with an unpacked B: A fp32 [rows][k], column j of B at b + j * b_stride, contiguous in k.
struct RowsArgs {
  int64_t k;
  const float* a;
  const void* b;
  int64_t b_stride;  // in elements
  float* c;
  int64_t ldc;
  int rows;
  int64_t cols;
  float alpha;
  bool load_c;
};
using RowsKernel = void (*)(const RowsArgs&);

struct GemmKernels {
  int mr, nr;
  TileKernel f32;        // A fp32, B fp32
  TileKernel f32_pairs;  // A fp32, B bf16 in pairs of k, widened on load
  TileKernel pairs;      // A and B bf16 in pairs of k; nullptr where widening A while packing is as good
  RowsKernel rows_f32, rows_bf16;
  void (*widen)(const bf16_t* from, float* to, int64_t n);
  void (*narrow)(const float* from, bf16_t* to, int64_t n);
};

const GemmKernels& gemm_kernels(Isa isa);

// `pairs` of one instruction set (gemm_dot.cc).
TileKernel bf16_dot_kernel(Isa isa);

}  // namespace ht::cpu
