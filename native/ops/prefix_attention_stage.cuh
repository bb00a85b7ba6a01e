// Tiles of rows from global to shared memory, as bf16 or fp32 whatever their storage: the attention kernels' inner loops know
// one type. 16 bytes of shared memory at a time; same type and aligned, they go by cp.async and pass no register. What lies
// beyond a head's channels or beyond the rows is zero, so that products need no bounds.
#pragma once
#include "ops/prefix_attention_eight.cuh"

namespace ht::cuda {

// `valid` elements (0: none) of `from` starting at `i`, the rest of the 16 bytes zero. aligned: is_aligned(from).
__device__ __forceinline__ void stage_16_bytes(bf16* to, const Rows& from, int64_t i, int valid, bool aligned) {
  if (aligned && valid > 0 && from.is_bf16) return dev::cp_async<16>(to, static_cast<const bf16*>(from.data) + i, valid < 8 ? 2 * valid : 16);
  float x[8];
  if (aligned && valid > 0) {
    const float4 low = *reinterpret_cast<const float4*>(static_cast<const float*>(from.data) + i);
    const float4 high = valid > 4 ? *reinterpret_cast<const float4*>(static_cast<const float*>(from.data) + i + 4) : make_float4(0, 0, 0, 0);
    x[0] = low.x, x[1] = low.y, x[2] = low.z, x[3] = low.w, x[4] = high.x, x[5] = high.y, x[6] = high.z, x[7] = high.w;
  } else {
#pragma unroll
    for (int e = 0; e < 8; ++e) x[e] = e < valid ? load_float(from, i + e) : 0.0f;
  }
  *reinterpret_cast<uint4*>(to) = make_uint4(pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]), pack_bf16(x[4], x[5]), pack_bf16(x[6], x[7]));
}
__device__ __forceinline__ void stage_16_bytes(float* to, const Rows& from, int64_t i, int valid, bool aligned) {
  if (aligned && valid > 0 && !from.is_bf16) return dev::cp_async<16>(to, static_cast<const float*>(from.data) + i);
  float x[4];
  if (aligned && valid > 0) {
    const uint2 bits = *reinterpret_cast<const uint2*>(static_cast<const bf16*>(from.data) + i);
    const float2 low = unpack_bf16(bits.x), high = unpack_bf16(bits.y);
    x[0] = low.x, x[1] = low.y, x[2] = high.x, x[3] = high.y;
  } else {
#pragma unroll
    for (int e = 0; e < 4; ++e) x[e] = e < valid ? load_float(from, i + e) : 0.0f;
  }
  *reinterpret_cast<float4*>(to) = make_float4(x[0], x[1], x[2], x[3]);
}

// Channels [channel, channel + E::kDim) of one head.
struct Channels {
  int64_t inner;   // width of a row
  int64_t first;   // in the row
  int count;       // those that exist; may be 0 or less
};

// kRows rows into shared memory; row_of(j) is the row at place j, or -1.
template <class E, int kRows, class RowOf>
__device__ __forceinline__ void stage_rows(typename E::Shared* to, const Rows& from, const Channels& channels, bool aligned, const RowOf& row_of) {
  constexpr int kVector = 16 / sizeof(typename E::Shared), kVectors = E::kDim / kVector;
#pragma unroll 4
  for (int x = threadIdx.x; x < kRows * kVectors; x += E::kThreads) {
    const int j = x / kVectors, c = x % kVectors * kVector;
    const int64_t row = row_of(j);
    stage_16_bytes(to + j * E::kStride + c, from, row * channels.inner + channels.first + c, row < 0 ? 0 : min(channels.count - c, kVector), aligned);
  }
}

// Steps 0 .. steps - 1: stage(step, buffer) fills one of kStages buffers, compute(step, buffer) reads it. With two, the next
// step's copies are under way while one is computed. All threads of the block take part.
template <int kStages, class Stage, class Compute>
__device__ __forceinline__ void pipeline(int steps, const Stage& stage, const Compute& compute) {
  static_assert(kStages == 1 || kStages == 2, "stages");
#pragma unroll 1
  for (int step = 1 - kStages; step < steps; ++step) {
    const int ahead = step + kStages - 1;
    if (ahead < steps) stage(ahead, ahead % kStages);
    dev::cp_async_commit();
    if (step < 0) continue;
    dev::cp_async_wait<kStages - 1>();
    __syncthreads();
    compute(step, step % kStages);
    __syncthreads();
  }
}

}  // namespace ht::cuda
