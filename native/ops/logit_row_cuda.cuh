// One row of logits, seen by a whole block.
#pragma once
#include "cuda/types.h"
#include "ops/vector_io_cuda.cuh"

namespace ht::cuda {

// Threads of a block that takes one row: wide rows need many loads in flight, short ones wait less for each other with few warps.
constexpr int kMostRowThreads = 1024;
inline unsigned row_threads(int64_t width) { return width >= 8192 ? kMostRowThreads : width >= 1024 ? 256 : 64; }

constexpr int kRowGroup = 4;  // elements of one load: f runs on as many at once, and 8 of bf16 would cost too many registers

constexpr float kLargest = 3.402823466e38f;
__device__ __forceinline__ float infinity() { return __uint_as_float(0x7f800000u); }

// How decoding reads logits. NaN can never be chosen; for sampling +inf is the largest finite number, so that differences exist.
struct AsStored {
  __device__ static float read(float x) { return x; }
};
struct NanLowest {
  __device__ static float read(float x) { return x == x ? x : -infinity(); }
};
struct Usable {
  __device__ static float read(float x) { return x == x ? fminf(x, kLargest) : -infinity(); }
};

template <class X, class As>
struct Row {
  const X* x;
  int64_t width;
  bool aligned;

  __device__ Row(const X* all, int64_t row, int64_t width_) : x(all + row * width_), width(width_), aligned(rows_aligned(all, width_)) {}

  __device__ float operator[](int64_t i) const { return As::read(to_float(x[i])); }

  // f(value, id) for a thread's part of [begin, end), in groups; begin is a multiple of one.
  template <class F>
  __device__ __forceinline__ void visit(int64_t begin, int64_t end, int thread, int threads, const F& f) const {
    for (int64_t i = begin + int64_t{thread} * kRowGroup; i < end; i += int64_t{threads} * kRowGroup) {
      float v[kRowGroup];
      load_group(x + i, end - i, aligned, v);
#pragma unroll
      for (int k = 0; k < kRowGroup; ++k)
        if (i + k < end) f(As::read(v[k]), i + k);
    }
  }
  template <class F>
  __device__ __forceinline__ void visit(const F& f) const {
    visit(0, width, threadIdx.x, blockDim.x, f);
  }
};

}  // namespace ht::cuda
