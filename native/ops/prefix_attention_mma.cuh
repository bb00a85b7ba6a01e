// Products of one warp on tensor cores, bf16 with fp32 sums. Fragments follow mma.m16n8k16: a thread holds rows g and g + 8 of
// every 16 (g = lane / 4) and columns 2 t, 2 t + 1 of every 8 (t = lane % 4), so a row's columns lie in four lanes, and scores
// are already in the place that the left operand of the next product wants: probabilities never touch shared memory.
// Rows in shared memory are padded by 16 bytes: the 8 rows that one ldmatrix phase reads then lie in different banks.
#pragma once
#include "ops/prefix_attention_stage.cuh"

namespace ht::cuda {

// kDim: channels, a multiple of 16. kBlocks: 16-row blocks per warp. kCols: columns per step. kBlocksPerProcessor: thread blocks
// that registers must leave room for.
template <int kDim_, int kBlocks, int kCols_, int kBlocksPerProcessor>
struct TensorCores {
  using Shared = bf16;
  static constexpr int kDim = kDim_, kCols = kCols_, kWarps = 4, kThreads = kWarps * kWarp, kStages = 2, kMinBlocks = kBlocksPerProcessor;
  static constexpr int kWarpRows = 16 * kBlocks, kRows = kWarps * kWarpRows, kStride = kDim + 8;
  static constexpr int kThreadRows = 2 * kBlocks, kThreadCols = kCols / 4, kThreadChannels = kDim / 4;
  static constexpr bool kChunked = false;  // all channels of a head at once
  static constexpr int kExchange = 0;  // floats per warp that add_product needs

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % kWarp; }
  static __device__ __forceinline__ int row(int i) { return 8 * i + lane() / 4; }
  static __device__ __forceinline__ int col(int j) { return j / 2 * 8 + lane() % 4 * 2 + j % 2; }
  static __device__ __forceinline__ int channel(int c) { return col(c); }

  static __device__ __forceinline__ float row_max(float v) {
    v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, 1));
    return fmaxf(v, __shfl_xor_sync(kAllLanes, v, 2));
  }
  static __device__ __forceinline__ float row_sum(float v) {
    v += __shfl_xor_sync(kAllLanes, v, 1);
    return v + __shfl_xor_sync(kAllLanes, v, 2);
  }

  // s += a b^T: the warp's rows of a, kCols rows of b.
  static __device__ __forceinline__ void add_scores(float (&s)[kThreadRows][kThreadCols], const bf16* a, const bf16* b) {
    const int matrix = lane() / 8, line = lane() % 8;
#pragma unroll
    for (int k = 0; k < kDim; k += 16) {
      uint32_t left[kBlocks][4];
#pragma unroll
      for (int m = 0; m < kBlocks; ++m) dev::ldmatrix<4>(left[m], a + (16 * m + matrix % 2 * 8 + line) * kStride + k + matrix / 2 * 8);
#pragma unroll
      for (int n = 0; n < kCols; n += 16) {
        uint32_t right[4];
        dev::ldmatrix<4>(right, b + (n + matrix / 2 * 8 + line) * kStride + k + matrix % 2 * 8);
        add_pair(s, left, right, n / 4);
      }
    }
  }

  // out += p b: p as add_scores leaves it, kCols rows of b.
  static __device__ __forceinline__ void add_product(float (&out)[kThreadRows][kThreadChannels], const float (&p)[kThreadRows][kThreadCols], const bf16* b, float*) {
    const int matrix = lane() / 8, line = lane() % 8;
#pragma unroll
    for (int k = 0; k < kCols; k += 16) {
      uint32_t left[kBlocks][4];
#pragma unroll
      for (int m = 0; m < kBlocks; ++m)
#pragma unroll
        for (int e = 0; e < 4; ++e) left[m][e] = pack_bf16(p[2 * m + e % 2][k / 4 + e / 2 * 2], p[2 * m + e % 2][k / 4 + e / 2 * 2 + 1]);
#pragma unroll
      for (int n = 0; n < kDim; n += 16) {
        uint32_t right[4];
        dev::ldmatrix<4, true>(right, b + (k + matrix % 2 * 8 + line) * kStride + n + matrix / 2 * 8);
        add_pair(out, left, right, n / 4);
      }
    }
  }

 private:
  // 16 columns, of which this thread holds four, from `first` on.
  template <int kWidth>
  static __device__ __forceinline__ void add_pair(float (&sum)[kThreadRows][kWidth], const uint32_t (&left)[kBlocks][4], const uint32_t (&right)[4], int first) {
#pragma unroll
    for (int m = 0; m < kBlocks; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int j = first + 2 * half;
        const uint32_t b[2] = {right[2 * half], right[2 * half + 1]};
        float d[4] = {sum[2 * m][j], sum[2 * m][j + 1], sum[2 * m + 1][j], sum[2 * m + 1][j + 1]};
        dev::mma_m16n8k16_bf16(d, left[m], b, d);
        sum[2 * m][j] = d[0], sum[2 * m][j + 1] = d[1], sum[2 * m + 1][j] = d[2], sum[2 * m + 1][j + 1] = d[3];
      }
  }
};

}  // namespace ht::cuda
