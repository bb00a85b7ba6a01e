// Finds where the largest elements of a row end: by count (top-k) or by mass (top-p), without sorting the row.
//
// Elements are ordered by keys of 64 bits, value first, then the smaller id, so that no two are equal. Their weights are integers:
// sums are exact in any order, and atomics on shared memory may collect them.
//
// A block narrows the row down to the bin that holds the last element wanted:
//   1. 2,048 bins over the distance from the largest element, in even steps: logits spread over them, where bins of float bits would
//      crowd into few and make the atomics wait for each other
//   2. while that bin holds more than 256 elements: 2,048 bins over the next 11 bits of the key, those of the value first (3 passes),
//      then those of the id (3 passes)
//   3. the elements left are compared with each other
// Typical logits take steps 1 and 3: the row is read twice, from L1 or L2.
#pragma once
#include <type_traits>

#include "ops/block_cuda.cuh"
#include "ops/logit_row_cuda.cuh"

namespace ht::cuda {

using Mass = unsigned long long;

// The larger key comes first. -0 counts as 0.
__device__ __forceinline__ uint64_t key_of(float value, int64_t id) {
  const uint32_t bits = __float_as_uint(value + 0.0f);
  return uint64_t{bits & 0x80000000u ? ~bits : bits | 0x80000000u} << 32 | ~static_cast<uint32_t>(id);
}
__device__ __forceinline__ float value_of(uint64_t key) {
  const uint32_t bits = static_cast<uint32_t>(key >> 32);
  return __uint_as_float(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}
__device__ __forceinline__ int32_t id_of(uint64_t key) { return static_cast<int32_t>(~static_cast<uint32_t>(key)); }

constexpr int kBins = 2048;
constexpr uint32_t kComparable = 256;  // elements that are compared with each other

// Bins of even width over [top - range, top], descending; whatever lies lower is in the last. No element is above top.
struct Spread {
  float top, scale;

  __device__ Spread(float top_, float range) : top(top_), scale(range > 1e-30f ? (kBins - 1) / fminf(range, kLargest) : 0.0f) {}
  __device__ int bin(float x) const { return static_cast<int>(fminf((top - fminf(fmaxf(x, -kLargest), kLargest)) * scale, kBins - 1.0f)); }
};

// The next bits of the key, from the top down; one level beyond the last is never asked for.
__device__ __forceinline__ int bits_below(int shift) { return shift == 64 ? 53 : shift == 53 ? 42 : shift == 42 ? 32 : shift == 32 ? 21 : shift == 21 ? 10 : 0; }

// The largest key K for which the elements with keys from K on weigh at least need(total weight), a number in [1, total weight].
// weight(x, id) is 0 for elements that take no part; W = uint32_t means that all others weigh 1. ValuesOnly: only the value in K counts.
template <bool ValuesOnly, class W, class Row, class Weight, class Need>
__device__ uint64_t last_selected(const Row& row, const Spread& spread, const Weight& weight, const Need& need) {
  constexpr bool counting = std::is_same_v<W, uint32_t>;
  struct Bin {
    W before;  // weight of the bins before it
    uint32_t index, members;
  };
  SHARED(uint32_t, mass_low, [kBins]);
  SHARED(uint32_t, mass_high, [counting ? 1 : kBins]);
  SHARED(uint32_t, members, [counting ? 1 : kBins]);
  SHARED(Bin, chosen, [1]);
  SHARED(uint32_t, listed, [1]);
  SHARED(uint64_t, key_list, [kComparable]);
  SHARED(W, weight_list, [kComparable]);
  SHARED(uint64_t, last, [1]);

  bool spread_out = false;    // step 1 is done: elements outside first_bin are out
  int first_bin = 0, shift = 64;
  uint64_t prefix = 0;        // of the key, above `shift`
  W wanted = 0;
  const auto mass = [&](int b) { return counting ? W{mass_low[b]} : static_cast<W>(Mass{mass_high[b]} << 32 | mass_low[b]); };
  const auto visit_inside = [&](const auto& f) {
    row.visit([&](float x, int64_t id) {
      const uint64_t key = key_of(x, id);
      if (spread_out && (spread.bin(x) != first_bin || (shift < 64 && key >> shift != prefix))) return;
      const W w = weight(x, id);
      if (w) f(x, key, w);
    });
  };
  for (;;) {
    const int next = spread_out ? bits_below(shift) : 64;
    const uint64_t mask = (uint64_t{1} << (shift - next)) - 1;
    __syncthreads();
    for (int b = threadIdx.x; b < kBins; b += blockDim.x) {
      mass_low[b] = 0;
      if (!counting) mass_high[b] = members[b] = 0;
    }
    __syncthreads();
    visit_inside([&](float x, uint64_t key, W w) {
      const int b = spread_out ? static_cast<int>(mask - (key >> next & mask)) : spread.bin(x);
      const uint32_t low = static_cast<uint32_t>(w), old = atomicAdd(&mass_low[b], low);
      if (counting) return;
      // In halves: shared memory has no 64-bit addition. Each overflow of the lower one is seen by exactly one thread.
      atomicAdd(&mass_high[b], static_cast<uint32_t>(static_cast<Mass>(w) >> 32) + (old + low < low ? 1u : 0u));
      atomicAdd(&members[b], 1u);
    });
    __syncthreads();

    // A thread owns consecutive bins; the one whose bins cross what is wanted says which.
    const int own = (kBins + blockDim.x - 1) / blockDim.x, begin = threadIdx.x * own, end = min(begin + own, kBins);
    W sum = 0, total;
    for (int b = begin; b < end; ++b) sum += mass(b);
    W before = block_sum_before(sum, total);
    if (!spread_out) wanted = need(total);
    for (int b = begin; b < end; ++b) {
      if (before < wanted && wanted <= before + mass(b)) chosen[0] = {before, static_cast<uint32_t>(b), counting ? mass_low[b] : members[b]};
      before += mass(b);
    }
    __syncthreads();
    const Bin bin = chosen[0];
    wanted -= bin.before;
    if (spread_out) {
      prefix = prefix << (shift - next) | (mask - bin.index);
      shift = next;
    } else {
      first_bin = static_cast<int>(bin.index);
      spread_out = true;
    }
    if (ValuesOnly && shift == 32) return prefix << 32;
    if (bin.members <= kComparable) break;
  }

  if (threadIdx.x == 0) listed[0] = 0;
  __syncthreads();
  visit_inside([&](float, uint64_t key, W w) {
    const uint32_t at = atomicAdd(&listed[0], 1u);
    key_list[at] = key;
    weight_list[at] = w;
  });
  __syncthreads();
  const uint32_t count = listed[0];
  for (uint32_t i = threadIdx.x; i < count; i += blockDim.x) {
    W before = 0;
    for (uint32_t j = 0; j < count; ++j) before += key_list[j] > key_list[i] ? weight_list[j] : 0;
    if (before < wanted && wanted <= before + weight_list[i]) last[0] = key_list[i];
  }
  __syncthreads();
  return last[0];
}

}  // namespace ht::cuda
