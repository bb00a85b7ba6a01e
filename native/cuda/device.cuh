// Device functions that several kernel files use.
#pragma once
#include <kernel_env.h>

namespace ht::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ __forceinline__ void store(float* to, float x) { *to = x; }
__device__ __forceinline__ void store(__nv_bfloat16* to, float x) { *to = __float2bfloat16(x); }

// The sum over the warp, in every lane; the order of additions is fixed.
template <class T>
__device__ __forceinline__ T warp_sum(T v) {
  for (int o = kWarp / 2; o > 0; o /= 2) v += __shfl_xor_sync(kAllLanes, v, o);
  return v;
}
__device__ __forceinline__ float warp_max(float v) {
  for (int o = kWarp / 2; o > 0; o /= 2) v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, o));
  return v;
}

// N consecutive elements in registers, as numbers.
template <int N>
struct Floats {
  float v[N];
  __device__ __forceinline__ float& operator[](int i) { return v[i]; }
  __device__ __forceinline__ float operator[](int i) const { return v[i]; }
};

// N consecutive elements in memory, moved by one access.
template <int N, class T>
struct alignas(N * sizeof(T)) Packed {
  T v[N];
};

// How many elements an access of 128 bits holds of the widest type.
template <class T, class... Rest>
__host__ __device__ constexpr int vector_width() {
  size_t widest = sizeof(T);
  ((widest = sizeof(Rest) > widest ? sizeof(Rest) : widest), ...);
  return static_cast<int>(16 / widest);
}

// Whether N elements can be moved at once from here. Null is aligned: an absent operand is not moved at all.
template <int N, class T>
__device__ __forceinline__ bool is_aligned(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % (N * sizeof(T)) == 0;
}

template <int N, class T>
__device__ __forceinline__ Floats<N> load_floats(const T* from) {
  const Packed<N, T> packed = *reinterpret_cast<const Packed<N, T>*>(from);
  Floats<N> x;
  for (int i = 0; i < N; ++i) x[i] = to_float(packed.v[i]);
  return x;
}
template <int N, class T>
__device__ __forceinline__ void store_floats(T* to, const Floats<N>& x) {
  Packed<N, T> packed;
  if constexpr (sizeof(T) == 2 && N % 2 == 0)  // one instruction rounds two
    for (int i = 0; i < N; i += 2) *reinterpret_cast<__nv_bfloat162*>(&packed.v[i]) = __floats2bfloat162_rn(x[i], x[i + 1]);
  else
    for (int i = 0; i < N; ++i) store(&packed.v[i], x[i]);
  *reinterpret_cast<Packed<N, T>*>(to) = packed;
}

// The same at a row's end, where only `left` of the elements are there: the others are 0, and not written. aligned: of the whole row,
// whose width is then a multiple of N.
template <int N, class T>
__device__ __forceinline__ Floats<N> load_floats(const T* from, int64_t left, bool aligned) {
  if (aligned && left >= N) return load_floats<N>(from);
  Floats<N> x{};
  for (int i = 0; i < N; ++i)
    if (i < left) x[i] = to_float(from[i]);
  return x;
}
template <int N, class T>
__device__ __forceinline__ void store_floats(T* to, const Floats<N>& x, int64_t left, bool aligned) {
  if (aligned && left >= N) return store_floats(to, x);
  for (int i = 0; i < N; ++i)
    if (i < left) store(to + i, x[i]);
}

// `index` if it lies in [lo, hi), else the nearest that does, with the flag raised; -1 where the range is empty (ops/index.h).
__device__ __forceinline__ int64_t checked_index(int64_t index, int64_t lo, int64_t hi, int32_t* bad_index) {
  if (index >= lo && index < hi) return index;
  if (bad_index) atomicExch(bad_index, 1);
  if (lo >= hi) return -1;
  return index < lo ? lo : hi - 1;
}

}  // namespace ht::cuda
