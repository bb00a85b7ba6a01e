// Kernels that treat every element of some tensors of equal size alike.
//
// A body names its operands and has
//   static constexpr int kWidth                    elements per thread, as many as one access moves
//   __device__ bool aligned() const                whether the operands can be moved kWidth elements at a time
//   template <int N> __device__ void at(i) const   elements i .. i + N - 1, N being kWidth or 1
// A thread has kWidth elements and a block kElementThreads * kWidth: with no loop over tiles, a block's loads are all in flight at
// once, and eight blocks on a multiprocessor keep its memory busy. Where addresses are not aligned (views begin anywhere) a block's
// threads take its elements in turn, which keeps the accesses of a warp together.
#pragma once
#include "cuda/device.cuh"
#include "cuda/launcher.h"
#include "cuda/types.h"

namespace ht::cuda {

constexpr int kElementThreads = 256;

template <class Body>
__global__ void __launch_bounds__(kElementThreads) elements_kernel(Body body, int64_t n) {
  constexpr int N = Body::kWidth;
  const int64_t tile = int64_t{blockIdx.x} * kElementThreads * N, own = tile + threadIdx.x * N;
  const bool vector = body.aligned();
  if (vector && own + N <= n) return body.template at<N>(own);
  const int64_t first = vector ? own : tile + threadIdx.x;
  const int64_t stride = vector ? 1 : kElementThreads;
  for (int k = 0; k < N; ++k)
    if (first + k * stride < n) body.template at<1>(first + k * stride);
}

template <class Body>
void for_elements(Launcher& l, int64_t n, const Body& body) {
  l.launch(elements_kernel<Body>, dim3(blocks_for(n, kElementThreads * Body::kWidth)), dim3(kElementThreads), 0, body, n);
}

// f applied to each element of floats, or to each pair.
template <int N, class F>
__device__ __forceinline__ Floats<N> map(const Floats<N>& a, const F& f) {
  Floats<N> y;
  for (int i = 0; i < N; ++i) y[i] = f(a[i]);
  return y;
}
template <int N, class F>
__device__ __forceinline__ Floats<N> map(const Floats<N>& a, const Floats<N>& b, const F& f) {
  Floats<N> y;
  for (int i = 0; i < N; ++i) y[i] = f(a[i], b[i]);
  return y;
}

}  // namespace ht::cuda
