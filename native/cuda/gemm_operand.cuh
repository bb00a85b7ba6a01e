// One operand of a tensor-core tile in shared memory: staging and fragments. Both sides of a product look alike: MN rows of the tile
// (m of the left, n of the right operand) against K columns of one step.
//
// Layout: as in global memory, so that staging is plain 16-byte copies: with KMajor MN rows of K elements, else K rows of MN
// elements. ldmatrix transposes where needed. Chunks of 16 bytes are permuted inside a row by bits of the row number, so that the
// eight rows of an ldmatrix, or the lanes of a float load, fall into different banks.
// f32 elements become two bf16 parts when a fragment is read, hi = bf16(v) and lo = bf16(v - hi), which are multiplied one after
// the other: 16 bits of every product are kept (error below 2^-17) at twice the tensor work; bf16 elements are exact.
#pragma once
#include "cuda/device.cuh"

namespace ht::cuda {

constexpr int kStepK = 32;  // columns of one step: two k16 of mma.m16n8k16

// 128-bit copies are possible: pointer and row stride are multiples of 16 bytes. Uniform over the grid.
template <class T>
__device__ __forceinline__ bool wide(const T* data, int64_t stride) {
  return (reinterpret_cast<uintptr_t>(data) % 16 | static_cast<uintptr_t>(stride * static_cast<int64_t>(sizeof(T)) % 16)) == 0;
}

__device__ __forceinline__ uint32_t pack_bf16(__nv_bfloat16 x, __nv_bfloat16 y) {
  uint16_t a, b;
  memcpy(&a, &x, 2);
  memcpy(&b, &y, 2);
  return a | static_cast<uint32_t>(b) << 16;
}

// The two bf16 parts of a pair of floats.
__device__ __forceinline__ void split_pair(float x, float y, uint32_t& hi, uint32_t& lo) {
  const __nv_bfloat16 hx = __float2bfloat16(x), hy = __float2bfloat16(y);
  hi = pack_bf16(hx, hy);
  lo = pack_bf16(__float2bfloat16(x - __bfloat162float(hx)), __float2bfloat16(y - __bfloat162float(hy)));
}

// Copies one chunk of 16 bytes, of which the first `count` elements exist and the rest is zero.
template <bool Wide>
__device__ __forceinline__ void stage_chunk(__nv_bfloat16* to, const __nv_bfloat16* from, int count) {
  if constexpr (Wide) {
    dev::cp_async<16>(to, from, count * 2);
  } else {
    for (int i = 0; i < 8; ++i) to[i] = i < count ? from[i] : __float2bfloat16(0.0f);
  }
}
template <bool Wide>
__device__ __forceinline__ void stage_chunk(float* to, const float* from, int count) {
  if constexpr (Wide) {
    dev::cp_async<16>(to, from, count * 4);
  } else {
    for (int i = 0; i < 4; ++i) dev::cp_async<4>(to + i, i < count ? from + i : from, i < count ? 4 : 0);
  }
}

template <class T, int MN, bool KMajor, int Threads>
struct OperandTile {
  static constexpr bool kFloat = sizeof(T) == 4;
  static constexpr int kParts = kFloat ? 2 : 1;
  static constexpr int kRows = KMajor ? MN : kStepK, kColumns = KMajor ? kStepK : MN;  // as stored
  static constexpr int kChunk = 16 / sizeof(T), kChunks = kColumns / kChunk;
  static constexpr int kBytes = MN * kStepK * static_cast<int>(sizeof(T));

  // Where a stored element lies.
  static __device__ __forceinline__ int at(int row, int column) {
    const int key = kFloat ? (KMajor ? row & 3 : row >> 1 & 3) << 1 : kChunks == 4 ? row >> 1 & 3 : row & 7;
    return row * kColumns + ((column / kChunk ^ key) * kChunk | column % kChunk);
  }

  // Element (mn, k) of the operand is data[mn * stride + k], or data[k * stride + mn]; those outside [.., mn_end) and [.., k_end) are zero.
  template <bool Wide>
  static __device__ __forceinline__ void stage(T* tile, const T* data, int64_t stride, int64_t mn0, int64_t mn_end, int64_t k0, int64_t k_end) {
    const int64_t row0 = KMajor ? mn0 : k0, row_end = KMajor ? mn_end : k_end, column0 = KMajor ? k0 : mn0, column_end = KMajor ? k_end : mn_end;
    stage_rows<Wide>(tile, data, [&](int row) { return row0 + row < row_end ? data + (row0 + row) * stride + column0 : nullptr; }, column_end - column0);
  }

  // Stored row i is `columns` elements at row_at(i), and zero where that is null; base is any address of that memory.
  template <bool Wide, class RowAt>
  static __device__ __forceinline__ void stage_rows(T* tile, const T* base, const RowAt& row_at, int64_t columns) {
#pragma unroll
    for (int i = 0; i < kRows * kChunks / Threads; ++i) {
      const int chunk = static_cast<int>(threadIdx.x) + i * Threads, row = chunk / kChunks, column = chunk % kChunks * kChunk;
      const T* const from = row_at(row);
      const int64_t left = from ? columns - column : 0;
      const int count = left <= 0 ? 0 : left < kChunk ? static_cast<int>(left) : kChunk;
      stage_chunk<Wide>(tile + at(row, column), count ? from + column : base, count);
    }
  }

  // The 16 x 16 block at (mn, k) as quarters (mn + g, k + 2t), (mn + 8 + g, ..), (mn + g, k + 8 + 2t), (mn + 8 + g, ..) where g is lane / 4
  // and t lane % 4: an A fragment as it stands, the B fragments of n and n + 8 as quarters 0, 2 and 1, 3.
  static __device__ __forceinline__ void fragment(const T* tile, int mn, int k, uint32_t (&q)[kParts][4]) {
    const int lane = threadIdx.x % kWarp;
    if constexpr (!kFloat) {
      const int matrix = lane / 8, line = lane % 8, to_mn = (matrix & 1) * 8, to_k = (matrix >> 1) * 8;
      if constexpr (KMajor) dev::ldmatrix<4>(q[0], tile + at(mn + to_mn + line, k + to_k));
      else dev::ldmatrix<4, true>(q[0], tile + at(k + to_k + line, mn + to_mn));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = mn + (i & 1) * 8 + lane / 4, column = k + (i >> 1) * 8 + lane % 4 * 2;
        float x, y;
        if constexpr (KMajor) {
          const float2 pair = *reinterpret_cast<const float2*>(tile + at(row, column));
          x = pair.x, y = pair.y;
        } else {
          x = tile[at(column, row)], y = tile[at(column + 1, row)];
        }
        split_pair(x, y, q[0][i], q[1][i]);
      }
    }
  }
};

}  // namespace ht::cuda
