// Reading and writing N consecutive elements as fp32: in units of up to 16 bytes where the address allows, else one by one. Which
// elements a thread sees is the same either way, so the order of sums does not depend on where a view begins.
#pragma once
#include "cuda/device.cuh"

namespace ht::cuda {

template <class T>
constexpr int kGroup = vector_width<T>();  // elements of one 16-byte access

// Whether every multiple of `width` elements from p on starts at a multiple of 16 bytes.
template <class T>
__device__ __forceinline__ bool rows_aligned(const T* p, int64_t width) {
  return is_aligned<kGroup<T>>(p) && width % kGroup<T> == 0;
}

// Elements [0, min(left, N)) of p; the others are 0. aligned: p is, to N elements or 16 bytes.
template <int N, class T>
__device__ __forceinline__ void load_group(const T* p, int64_t left, bool aligned, float (&v)[N]) {
  constexpr int unit = N < kGroup<T> ? N : kGroup<T>;
  if (aligned && left >= N) {
#pragma unroll
    for (int i = 0; i < N; i += unit) {
      const Floats<unit> part = load_floats<unit>(p + i);
#pragma unroll
      for (int k = 0; k < unit; ++k) v[i + k] = part[k];
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = i < left ? to_float(p[i]) : 0.0f;
  }
}
template <int N, class T>
__device__ __forceinline__ void store_group(T* p, int64_t left, bool aligned, const float (&v)[N]) {
  constexpr int unit = N < kGroup<T> ? N : kGroup<T>;
  if (aligned && left >= N) {
#pragma unroll
    for (int i = 0; i < N; i += unit) {
      Floats<unit> part;
#pragma unroll
      for (int k = 0; k < unit; ++k) part[k] = v[i + k];
      store_floats<unit>(p + i, part);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (i < left) store(p + i, v[i]);
  }
}

}  // namespace ht::cuda
