// Reductions and scans over a block whose size is a multiple of the warp's, in an order that depends on its size alone. Every thread
// of the block calls; the value comes back in every thread. Barriers inside: what was in shared memory before is visible after.
#pragma once
#include "cuda/device.cuh"

namespace ht::cuda {

template <class T, class Op>
__device__ __forceinline__ T warp_reduce(T v, const Op& op) {
#pragma unroll
  for (int o = kWarp / 2; o > 0; o /= 2) v = op(v, __shfl_xor_sync(kAllLanes, v, o));
  return v;
}

template <class T, class Op>
__device__ __forceinline__ T block_reduce(T v, T identity, const Op& op) {
  SHARED(T, partial, [kWarp]);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  v = warp_reduce(v, op);
  __syncthreads();  // partial may still be read from an earlier call
  if (lane == 0) partial[warp] = v;
  __syncthreads();
  return warp_reduce(lane < warps ? partial[lane] : identity, op);
}

template <class T>
__device__ __forceinline__ T block_total(T v) {
  return block_reduce(v, T{0}, [](T a, T b) { return a + b; });
}

// The sum over the threads before this one; total: over all.
template <class T>
__device__ __forceinline__ T block_sum_before(T v, T& total) {
  SHARED(T, warp_total, [kWarp]);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  T upto = v;
#pragma unroll
  for (int o = 1; o < kWarp; o *= 2) {
    const T other = __shfl_up_sync(kAllLanes, upto, o);
    if (lane >= o) upto += other;
  }
  __syncthreads();
  if (lane == kWarp - 1) warp_total[warp] = upto;
  __syncthreads();
  T warps_before = 0;
  total = 0;
  for (int w = 0; w < warps; ++w) {
    if (w == warp) warps_before = total;
    total += warp_total[w];
  }
  return warps_before + upto - v;
}

}  // namespace ht::cuda
