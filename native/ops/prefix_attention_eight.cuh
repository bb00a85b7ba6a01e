// Eight channels of a row in registers: 16 bytes of bf16, or 32 of fp32. Loads are kept apart from their conversion, so that a
// thread can have many under way before it waits for the first.
#pragma once
#include <cstring>

#include "ops/prefix_attention_view.cuh"

namespace ht::cuda {

struct Eight {
  float x[8];
};

// As stored. kParts: 1 for bf16, 2 where the row may be fp32.
template <int kParts>
struct RawEight {
  uint4 part[kParts];
};

// From an aligned row (is_aligned, and all eight exist); zeros where there is none.
template <int kParts>
__device__ __forceinline__ RawEight<kParts> load_raw(const Rows& from, int64_t i, bool exists) {
  RawEight<kParts> raw;
  const bool is_bf16 = kParts == 1 || from.is_bf16;
  const auto* const at = reinterpret_cast<const uint4*>(static_cast<const char*>(from.data) + i * (is_bf16 ? 2 : 4));
  raw.part[0] = exists ? at[0] : make_uint4(0, 0, 0, 0);
  if constexpr (kParts == 2) raw.part[1] = exists && !is_bf16 ? at[1] : make_uint4(0, 0, 0, 0);
  return raw;
}

template <int kParts>
__device__ __forceinline__ Eight widen(const RawEight<kParts>& raw, bool is_bf16) {
  const uint4 &low = raw.part[0], &high = raw.part[kParts - 1];
  const uint32_t words[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
  Eight e;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const uint32_t half = i % 2 ? words[i / 2] & 0xffff0000u : words[i / 2] << 16;
    e.x[i] = __uint_as_float(kParts == 1 || is_bf16 ? half : words[i]);
  }
  return e;
}

// From anywhere; channels from `count` on are zero.
__device__ __forceinline__ Eight load_eight(const Rows& from, int64_t i, int count) {
  Eight e;
#pragma unroll
  for (int x = 0; x < 8; ++x) e.x[x] = x < count ? load_float(from, i + x) : 0.0f;
  return e;
}

__device__ __forceinline__ float dot(const Eight& a, const Eight& b) {
  float sum = 0;
#pragma unroll
  for (int x = 0; x < 8; ++x) sum = fmaf(a.x[x], b.x[x], sum);
  return sum;
}

__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  std::memcpy(&bits, &pair, sizeof bits);
  return bits;
}
__device__ __forceinline__ float2 unpack_bf16(uint32_t bits) { return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u)); }

// Elements i and i + 1, of which `count` exist. paired: can_pair(to).
__device__ __forceinline__ bool can_pair(const Rows& to, int head_dim) { return head_dim % 2 == 0 && reinterpret_cast<uintptr_t>(to.data) % (to.is_bf16 ? 4 : 8) == 0; }
__device__ __forceinline__ void store_two(const Rows& to, int64_t i, float x, float y, int count, bool paired) {
  if (paired && count > 1) {
    if (to.is_bf16) *reinterpret_cast<uint32_t*>(static_cast<bf16*>(to.data) + i) = pack_bf16(x, y);
    else *reinterpret_cast<float2*>(static_cast<float*>(to.data) + i) = make_float2(x, y);
    return;
  }
  if (count > 0) store_float(to, i, x);
  if (count > 1) store_float(to, i + 1, y);
}

}  // namespace ht::cuda
