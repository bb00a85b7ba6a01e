// Products of one warp in fp32, with the same shape as prefix_attention_mma.cuh. A warp's 16 rows lie in a grid of 4 x 8 lanes:
// a thread holds 4 rows and every eighth column. Four channels at a time it reads 4 + kCols / 8 float4 for kCols / 2 * 4
// multiply-adds; lanes of a row group read the same row, those of a column group neighbouring rows, which the padding of 16
// bytes puts into different banks. The second product needs whole rows of p: the warp passes them through its own corner of
// shared memory.
#pragma once
#include "ops/prefix_attention_stage.cuh"

namespace ht::cuda {

template <int kDim_, int kCols_>
struct FusedMultiplyAdd {
  using Shared = float;
  static constexpr int kDim = kDim_, kCols = kCols_, kWarps = 4, kThreads = kWarps * kWarp, kStages = 1, kMinBlocks = kDim == 128 ? 1 : 2;
  static constexpr int kWarpRows = 16, kRows = kWarps * kWarpRows, kStride = kDim + 4;
  static constexpr int kThreadRows = 4, kThreadCols = kCols / 8, kThreadChannels = kDim / 8;
  static constexpr bool kChunked = kDim == 128;  // wider heads go through in pieces
  static constexpr int kExchangeStride = kCols + 4, kExchange = kWarpRows * kExchangeStride;

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % kWarp; }
  static __device__ __forceinline__ int row(int i) { return lane() / 8 + 4 * i; }
  static __device__ __forceinline__ int col(int j) { return lane() % 8 + 8 * j; }
  static __device__ __forceinline__ int channel(int c) { return c / 4 * 32 + lane() % 8 * 4 + c % 4; }

  static __device__ __forceinline__ float row_max(float v) {
#pragma unroll
    for (int o = 1; o < 8; o *= 2) v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, o));
    return v;
  }
  static __device__ __forceinline__ float row_sum(float v) {
#pragma unroll
    for (int o = 1; o < 8; o *= 2) v += __shfl_xor_sync(kAllLanes, v, o);
    return v;
  }

  static __device__ __forceinline__ void add_scores(float (&s)[kThreadRows][kThreadCols], const float* a, const float* b) {
#pragma unroll 1
    for (int k = 0; k < kDim; k += 4) {
      float4 left[kThreadRows];
#pragma unroll
      for (int i = 0; i < kThreadRows; ++i) left[i] = *reinterpret_cast<const float4*>(a + row(i) * kStride + k);
#pragma unroll
      for (int j = 0; j < kThreadCols; ++j) {
        const float4 right = *reinterpret_cast<const float4*>(b + col(j) * kStride + k);
#pragma unroll
        for (int i = 0; i < kThreadRows; ++i)
          s[i][j] = fmaf(left[i].x, right.x, fmaf(left[i].y, right.y, fmaf(left[i].z, right.z, fmaf(left[i].w, right.w, s[i][j]))));
      }
    }
  }

  static __device__ __forceinline__ void add_product(float (&out)[kThreadRows][kThreadChannels], const float (&p)[kThreadRows][kThreadCols], const float* b, float* exchange) {
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kThreadRows; ++i)
#pragma unroll
      for (int j = 0; j < kThreadCols; ++j) exchange[row(i) * kExchangeStride + col(j)] = p[i][j];
    __syncwarp();
#pragma unroll 1
    for (int k = 0; k < kCols; k += 4) {
      float left[kThreadRows][4];
#pragma unroll
      for (int i = 0; i < kThreadRows; ++i) {
        const float4 four = *reinterpret_cast<const float4*>(exchange + row(i) * kExchangeStride + k);
        left[i][0] = four.x, left[i][1] = four.y, left[i][2] = four.z, left[i][3] = four.w;
      }
#pragma unroll
      for (int e = 0; e < 4; ++e)
#pragma unroll
        for (int c = 0; c < kThreadChannels; c += 4) {
          const float4 right = *reinterpret_cast<const float4*>(b + (k + e) * kStride + channel(c));
#pragma unroll
          for (int i = 0; i < kThreadRows; ++i) {
            out[i][c] = fmaf(left[i][e], right.x, out[i][c]);
            out[i][c + 1] = fmaf(left[i][e], right.y, out[i][c + 1]);
            out[i][c + 2] = fmaf(left[i][e], right.z, out[i][c + 2]);
            out[i][c + 3] = fmaf(left[i][e], right.w, out[i][c + 3]);
          }
        }
    }
  }
};

}  // namespace ht::cuda
