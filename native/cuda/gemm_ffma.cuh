// The fp32 tile: FFMA over operands in shared memory, for products whose operands are both f32 (tensor cores would round them).
//
// Tiling: M x N results per block of 256 threads, (M / 16) x (N / 16) per thread in groups of 4 x 4, so that a column step reads M / 64 + N / 64
// vectors of 16 bytes from shared memory for M N / 256 FFMA: 4 for 64 at 128 x 128. Both operands lie as [k][mn], transposed by
// 4-byte cp.async where global memory has k contiguous: 16 such copies stand against 1,024 FFMA.
#pragma once
#include "cuda/device.cuh"

namespace ht::cuda {

template <int M_, int N_>
struct FfmaTile {
  static constexpr int M = M_, N = N_, kThreads = 256, kStages = 3, kStepK = 16;
  static constexpr int kRowsM = M / 16, kRowsN = N / 16;
  static constexpr int kPad = 4;  // spreads the transposing writes over the banks and keeps rows 16-byte aligned
  static constexpr int kFloatsA = kStepK * (M + kPad), kFloatsB = kStepK * (N + kPad), kStageFloats = kFloatsA + kFloatsB;
  using Accumulators = float[kRowsM][kRowsN];

  static __device__ __forceinline__ void clear(Accumulators& acc) {
    for (int i = 0; i < kRowsM; ++i)
      for (int j = 0; j < kRowsN; ++j) acc[i][j] = 0;
  }

  // Element (mn, k) is data[mn * mn_stride + k * k_stride]; those outside the ends are zero. `wide`: 16-byte copies along mn are possible.
  template <int MN>
  static __device__ __forceinline__ void stage(float* tile, const float* data, int64_t mn_stride, int64_t k_stride, bool wide, int64_t mn0, int64_t mn_end, int64_t k0,
                                               int64_t k_end) {
    const int thread = threadIdx.x;
    if (wide) {
#pragma unroll
      for (int i = 0; i < MN * kStepK / 4 / kThreads; ++i) {
        const int chunk = thread + i * kThreads, k = chunk / (MN / 4), mn = chunk % (MN / 4) * 4;
        const int64_t left = k0 + k < k_end ? mn_end - mn0 - mn : 0;
        const int count = left <= 0 ? 0 : left < 4 ? static_cast<int>(left) : 4;
        dev::cp_async<16>(tile + k * (MN + kPad) + mn, count ? data + (k0 + k) * k_stride + mn0 + mn : data, count * 4);
      }
      return;
    }
    const bool along_k = k_stride == 1;
#pragma unroll 2
    for (int i = 0; i < MN * kStepK / kThreads; ++i) {
      const int element = thread + i * kThreads;
      const int k = along_k ? element % kStepK : element / MN, mn = along_k ? element / kStepK : element % MN;
      const bool inside = k0 + k < k_end && mn0 + mn < mn_end;
      dev::cp_async<4>(tile + k * (MN + kPad) + mn, inside ? data + (mn0 + mn) * mn_stride + (k0 + k) * k_stride : data, inside ? 4 : 0);
    }
  }

  static __device__ __forceinline__ int row_of(int i) { return i / 4 * 64 + threadIdx.x / 16 * 4 + i % 4; }
  static __device__ __forceinline__ int column_of(int j) { return j / 4 * 64 + threadIdx.x % 16 * 4 + j % 4; }

  static __device__ __forceinline__ void multiply(const float* a, const float* b, Accumulators& acc) {
#pragma unroll
    for (int k = 0; k < kStepK; ++k) {
      float left[kRowsM], right[kRowsN];
#pragma unroll
      for (int i = 0; i < kRowsM; i += 4) {
        const float4 v = *reinterpret_cast<const float4*>(a + k * (M + kPad) + row_of(i));
        left[i] = v.x, left[i + 1] = v.y, left[i + 2] = v.z, left[i + 3] = v.w;
      }
#pragma unroll
      for (int j = 0; j < kRowsN; j += 4) {
        const float4 v = *reinterpret_cast<const float4*>(b + k * (N + kPad) + column_of(j));
        right[j] = v.x, right[j + 1] = v.y, right[j + 2] = v.z, right[j + 3] = v.w;
      }
#pragma unroll
      for (int i = 0; i < kRowsM; ++i)
#pragma unroll
        for (int j = 0; j < kRowsN; ++j) acc[i][j] += left[i] * right[j];
    }
  }

  // f(row, column, value) for every result this thread holds, counted from the tile's corner.
  template <class F>
  static __device__ __forceinline__ void each(const Accumulators& acc, const F& f) {
#pragma unroll
    for (int i = 0; i < kRowsM; ++i)
#pragma unroll
      for (int j = 0; j < kRowsN; ++j) f(row_of(i), column_of(j), acc[i][j]);
  }
};

}  // namespace ht::cuda
