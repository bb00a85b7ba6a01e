// The tensor-core tile that products are made of: mma.m16n8k16 over operands staged by OperandTile, accumulators in registers.
//
// Tiling: M x N results per block, four warps in a square, each with (M / 2) x (N / 2) of them. At 128 x 128 a thread holds 128 accumulators,
// a step of 32 columns needs 16 KiB of bf16 operands for 64 mma per warp and k16, and four stages in flight (64 KiB) leave room
// for two blocks per SM on sm_80 and sm_90. 64 x 64 is for products with few tiles, 128 x 64 for f32 on the left, whose parts take registers.
// Pipeline: stages of cp.async, one barrier per step: when all have passed it, the stage read in the step before is free.
#pragma once
#include "cuda/gemm_operand.cuh"

namespace ht::cuda {

template <int M_, int N_>
struct MmaTile {
  static constexpr int M = M_, N = N_, kThreads = 128, kStages = 4;
  static constexpr int kWarpM = M / 2, kWarpN = N / 2, kBlocksM = kWarpM / 16, kBlocksN = kWarpN / 16;
  using Accumulators = float[kBlocksM][kBlocksN][2][4];

  static __device__ __forceinline__ int warp_m() { return threadIdx.x / kWarp / 2 * kWarpM; }
  static __device__ __forceinline__ int warp_n() { return threadIdx.x / kWarp % 2 * kWarpN; }

  static __device__ __forceinline__ void clear(Accumulators& acc) {
    for (int i = 0; i < kBlocksM; ++i)
      for (int j = 0; j < kBlocksN; ++j)
        for (int h = 0; h < 2; ++h)
          for (int e = 0; e < 4; ++e) acc[i][j][h][e] = 0;
  }

  // acc += a b over one step; rows of the tile outside [row_begin, row_end) are known to be zero in a and may be left out.
  template <class A, class B, class TA, class TB>
  static __device__ __forceinline__ void multiply(const TA* a, const TB* b, Accumulators& acc, int row_begin = 0, int row_end = M) {
#pragma unroll
    for (int k = 0; k < kStepK; k += 16) {
      uint32_t right[kBlocksN][B::kParts][4];
#pragma unroll
      for (int j = 0; j < kBlocksN; ++j) B::fragment(b, warp_n() + j * 16, k, right[j]);
#pragma unroll
      for (int i = 0; i < kBlocksM; ++i) {
        const int row = warp_m() + i * 16;
        if (row >= row_end || row + 16 <= row_begin) continue;
        uint32_t left[A::kParts][4];
        A::fragment(a, row, k, left);
#pragma unroll
        for (int p = A::kParts - 1; p >= 0; --p)
#pragma unroll
          for (int r = B::kParts - 1; r >= 0; --r)
#pragma unroll
            for (int j = 0; j < kBlocksN; ++j)
#pragma unroll
              for (int h = 0; h < 2; ++h) {
                const uint32_t pair[2] = {right[j][r][h], right[j][r][h + 2]};
                dev::mma_m16n8k16_bf16(acc[i][j][h], left[p], pair, acc[i][j][h]);
              }
      }
    }
  }

  // f(row, column, x, y) for every pair of neighbouring results this thread holds; row and column count from the tile's corner.
  template <class F>
  static __device__ __forceinline__ void each_pair(const Accumulators& acc, const F& f) {
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int i = 0; i < kBlocksM; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int j = 0; j < kBlocksN; ++j)
#pragma unroll
          for (int h = 0; h < 2; ++h)
            f(warp_m() + i * 16 + half * 8 + lane / 4, warp_n() + j * 16 + h * 8 + lane % 4 * 2, acc[i][j][h][2 * half], acc[i][j][h][2 * half + 1]);
  }
};

// Runs `steps` steps: stage(step, buffer) begins the copies of a step, use(step, buffer) multiplies what has arrived.
template <int Stages, class Stage, class Use>
__device__ __forceinline__ void pipeline(int64_t steps, const Stage& stage, const Use& use) {
#pragma unroll
  for (int s = 0; s < Stages - 1; ++s) {
    if (s < steps) stage(s, s);
    dev::cp_async_commit();
  }
  int buffer = 0;
  for (int64_t s = 0; s < steps; ++s) {
    dev::cp_async_wait<Stages - 2>();
    __syncthreads();
    const int next = buffer == 0 ? Stages - 1 : buffer - 1;  // read in the step before
    if (s + Stages - 1 < steps) stage(s + Stages - 1, next);
    dev::cp_async_commit();
    use(s, buffer);
    buffer = buffer + 1 == Stages ? 0 : buffer + 1;
  }
}

}  // namespace ht::cuda
