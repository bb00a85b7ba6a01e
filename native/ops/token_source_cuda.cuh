// Where a product of few tokens takes its x from: from memory, or computed on its way in by the op before it, which is then not launched
// (cuda/fuse.h). What is computed has the bits of that op's own kernel: the same functions, the same order of sums, the same rounding.
#pragma once
#include <variant>

#include "cuda/types.h"
#include "ops/activation_cuda.cuh"
#include "ops/vector_io_cuda.cuh"

namespace ht::cuda {

// How rms_norm cuts a row: each lane of 1 to 8 warps takes quads that are a group's quads apart, kNormHeld of them in registers.
constexpr int kNormWarps = 8, kNormQuad = 4, kNormHeld = 4;

inline int norm_warps(int64_t width) {
  int warps = 1;
  while (warps < kNormWarps && width > int64_t{warps} * kWarp * kNormQuad * kNormHeld) warps *= 2;
  return warps;
}
__device__ __forceinline__ float inverse_norm(float squares, int64_t width, float eps) { return 1.0f / sqrtf(squares / static_cast<float>(width) + eps); }

// Rows of either storage type, looked at once per access.
struct AnyRows {
  const void* data;
  bool is_bf16;

  static AnyRows of(const Tensor& t) { return {t.data, t.dtype == DType::BF16}; }
  __device__ __forceinline__ bool aligned(int64_t width) const {
    return is_bf16 ? rows_aligned(static_cast<const bf16*>(data), width) : rows_aligned(static_cast<const float*>(data), width);
  }
  template <int N>
  __device__ __forceinline__ void load(int64_t i, int64_t left, bool aligned, float (&v)[N]) const {
    if (is_bf16) load_group<N>(static_cast<const bf16*>(data) + i, left, aligned, v);
    else load_group<N>(static_cast<const float*>(data) + i, left, aligned, v);
  }
};

// x lies in memory.
struct StoredTokens {
  static constexpr bool kComputed = false;
};

// x = rms_norm(x + residual). The residual stream h is written by the products, token t by their block t % blocks.
struct NormedTokens {
  static constexpr bool kComputed = true;
  AnyRows x, residual, gain;
  float* h;
  float eps;
  int64_t width;
  int warps;  // norm_warps(width)

  __device__ __forceinline__ bool aligned() const { return x.aligned(width) && residual.aligned(width) && gain.aligned(width); }

  template <int N>
  __device__ __forceinline__ void sum_at(int64_t t, int64_t k, int64_t left, bool aligned, float (&v)[N]) const {
    x.load<N>(t * width + k, left, aligned, v);
    if (!residual.data) return;
    float r[N];
    residual.load<N>(t * width + k, left, aligned, r);
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] += r[i];
  }

  // 1 / sqrt(mean of squares) of a token, in every lane of the warp that calls: it does what the warps of rms_norm's group do, one after
  // another.
  __device__ __forceinline__ float inverse(int64_t t, bool write_h) const {
    const bool in = aligned();
    const bool out = write_h && is_aligned<kNormQuad>(h) && width % kNormQuad == 0;
    float total = 0;
    for (int warp = 0; warp < warps; ++warp) {
      const int64_t first = (int64_t{warp} * kWarp + threadIdx.x % kWarp) * kNormQuad, stride = int64_t{warps} * kWarp * kNormQuad;
      float squares = 0;
      for (int64_t k = first; k < width; k += kNormHeld * stride) {
        float v[kNormHeld][kNormQuad];
#pragma unroll
        for (int s = 0; s < kNormHeld; ++s) sum_at(t, k + s * stride, width - k - s * stride, in, v[s]);
#pragma unroll
        for (int s = 0; s < kNormHeld; ++s) {
          if (write_h) store_group(h + t * width + k + s * stride, width - k - s * stride, out, v[s]);
#pragma unroll
          for (int i = 0; i < kNormQuad; ++i) squares += v[s][i] * v[s][i];
        }
      }
      squares = warp_sum(squares);
      total = warp == 0 ? squares : total + squares;
    }
    return inverse_norm(total, width, eps);
  }

  // Elements k .. k + N - 1 of token t, of which `left` exist.
  template <int N>
  __device__ __forceinline__ void load(int64_t t, float inverse, int64_t k, int64_t left, bool aligned, float (&v)[N]) const {
    float g[N];
    sum_at(t, k, left, aligned, v);
    gain.load<N>(k, left, aligned, g);
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = i < left ? g[i] * v[i] * inverse : 0.0f;
  }
};

// x = f(gate) * up, or f(gate) where there is no up.
struct ActivatedTokens {
  static constexpr bool kComputed = true;
  AnyRows gate, up;
  ht::Activation kind;
  int64_t width;

  __device__ __forceinline__ bool aligned() const { return gate.aligned(width) && up.aligned(width); }

  template <int N>
  __device__ __forceinline__ void load(int64_t t, float, int64_t k, int64_t left, bool aligned, float (&v)[N]) const {
    float u[N];
    gate.load<N>(t * width + k, left, aligned, v);
    if (up.data) up.load<N>(t * width + k, left, aligned, u);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float f = activate_both(kind, v[i]).value;
      v[i] = i < left ? (up.data ? f * u[i] : f) : 0.0f;
    }
  }
};

using TokenSource = std::variant<StoredTokens, NormedTokens, ActivatedTokens>;

// As an op stores it in a T.
template <class T>
__device__ __forceinline__ float rounded(float v) {
  if constexpr (sizeof(T) == 2) return to_float(__float2bfloat16(v));
  else return v;
}

}  // namespace ht::cuda
