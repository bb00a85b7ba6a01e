// Logits of a tile of tokens times a tile of the vocabulary, in registers: what the loss and its gradient share.
//
// Products come from the tiles that gemm is made of: tensor cores where an operand is bf16 (128 x 128; 128 x 64 where the other is f32,
// which goes in as two bf16 parts), FFMA where both are f32. A block takes one tile of tokens and walks over consecutive tiles of the
// vocabulary; its copies run ahead across their borders, so that only the first waits for memory.
#pragma once
#include <type_traits>

#include "cuda/gemm_ffma.cuh"
#include "cuda/gemm_mma.cuh"
#include "cuda/types.h"

namespace ht::cuda {

struct HeadProblem {
  const void *x, *w;  // [tokens, width], [vocabulary, width]
  int64_t tokens, vocabulary, width;
  float scale;
};

// Tensor cores. A thread holds kRows rows of kColumns logits; kLanes consecutive lanes hold a row between them, kWarpsPerRow warps do.
template <class X, class W>
struct HeadTile {
  static constexpr bool kMixed = sizeof(X) != sizeof(W);
  using Tile = MmaTile<128, kMixed ? 64 : 128>;
  using Gradient = std::conditional_t<kMixed, float, bf16>;  // of a logit, as the products of the backward pass read it
  static constexpr int kTokens = Tile::M, kVocabulary = Tile::N, kThreads = Tile::kThreads, kBlocksPerSm = 2;
  static constexpr int kRows = Tile::kBlocksM * 2, kColumns = Tile::kBlocksN * 4, kLanes = 4, kWarpsPerRow = 2;
  using A = OperandTile<X, Tile::M, true, kThreads>;
  using B = OperandTile<W, Tile::N, true, kThreads>;
  static constexpr int kStages = Tile::kStages, kStepWidth = kStepK;
  static constexpr int kStageBytes = A::kBytes + B::kBytes;

  typename Tile::Accumulators acc;

  __device__ __forceinline__ void clear() { Tile::clear(acc); }
  __device__ __forceinline__ void stage(char* to, const HeadProblem& p, int64_t t0, int64_t v0, int64_t k) const {
    const X* const x = static_cast<const X*>(p.x);
    const W* const w = static_cast<const W*>(p.w);
    X* const a = reinterpret_cast<X*>(to);
    W* const b = reinterpret_cast<W*>(to + A::kBytes);
    if (wide(x, p.width)) A::template stage<true>(a, x, p.width, t0, p.tokens, k, p.width);
    else A::template stage<false>(a, x, p.width, t0, p.tokens, k, p.width);
    if (wide(w, p.width)) B::template stage<true>(b, w, p.width, v0, p.vocabulary, k, p.width);
    else B::template stage<false>(b, w, p.width, v0, p.vocabulary, k, p.width);
  }
  __device__ __forceinline__ void multiply(const char* from, int rows) {
    Tile::template multiply<A, B>(reinterpret_cast<const X*>(from), reinterpret_cast<const W*>(from + A::kBytes), acc, 0, rows);
  }
  __device__ __forceinline__ float at(int r, int c) const { return acc[r / 2][c / 4][c / 2 % 2][r % 2 * 2 + c % 2]; }
  static __device__ __forceinline__ int row(int r) { return Tile::warp_m() + r / 2 * 16 + r % 2 * 8 + threadIdx.x % kWarp / 4; }
  static __device__ __forceinline__ int column(int c) { return Tile::warp_n() + c / 4 * 16 + c / 2 % 2 * 8 + threadIdx.x % 4 * 2 + c % 2; }
  static __device__ __forceinline__ int warp_in_row() { return threadIdx.x / kWarp % 2; }
};

template <>
struct HeadTile<float, float> {
  using Tile = FfmaTile<128, 128>;
  using Gradient = float;
  static constexpr int kTokens = Tile::M, kVocabulary = Tile::N, kThreads = Tile::kThreads, kBlocksPerSm = 2;
  static constexpr int kRows = Tile::kRowsM, kColumns = Tile::kRowsN, kLanes = 16, kWarpsPerRow = 1;
  static constexpr int kStages = Tile::kStages, kStepWidth = Tile::kStepK;
  static constexpr int kStageBytes = Tile::kStageFloats * static_cast<int>(sizeof(float));

  Tile::Accumulators acc;

  __device__ __forceinline__ void clear() { Tile::clear(acc); }
  __device__ __forceinline__ void stage(char* to, const HeadProblem& p, int64_t t0, int64_t v0, int64_t k) const {
    float* const tile = reinterpret_cast<float*>(to);
    Tile::stage<Tile::M>(tile, static_cast<const float*>(p.x), p.width, 1, false, t0, p.tokens, k, p.width);
    Tile::stage<Tile::N>(tile + Tile::kFloatsA, static_cast<const float*>(p.w), p.width, 1, false, v0, p.vocabulary, k, p.width);
  }
  __device__ __forceinline__ void multiply(const char* from, int) {
    const float* const tile = reinterpret_cast<const float*>(from);
    Tile::multiply(tile, tile + Tile::kFloatsA, acc);
  }
  __device__ __forceinline__ float at(int r, int c) const { return acc[r][c]; }
  static __device__ __forceinline__ int row(int r) { return Tile::row_of(r); }
  static __device__ __forceinline__ int column(int c) { return Tile::column_of(c); }
  static __device__ __forceinline__ int warp_in_row() { return 0; }
};

template <class Head>
constexpr size_t head_shared_bytes = static_cast<size_t>(Head::kStages) * Head::kStageBytes;

template <class Head>
int64_t vocabulary_tiles(int64_t vocabulary) {
  return (vocabulary + Head::kVocabulary - 1) / Head::kVocabulary;
}

// f(HeadTile<X, W>{}) for the operands' types.
template <class F>
void with_head(const Tensor& x, const Tensor& w, const F& f) {
  with_types([&](auto x_type, auto w_type) { f(HeadTile<decltype(x_type), decltype(w_type)>{}); }, x, w);
}

// finish(v0) for every tile of `count` of the vocabulary from `v0` on, when `head` holds its products (not yet scaled).
template <class Head, class Finish>
__device__ __forceinline__ void for_each_head_tile(Head& head, char* shared, const HeadProblem& p, int64_t t0, int64_t v0, int64_t count, const Finish& finish) {
  const int64_t steps = p.width > 0 ? (p.width + Head::kStepWidth - 1) / Head::kStepWidth : 1;
  const int rows = static_cast<int>(p.tokens - t0 < Head::kTokens ? p.tokens - t0 : Head::kTokens);
  int64_t staged_v = v0, staged_k = 0, used_v = v0, used = 0;
  head.clear();
  pipeline<Head::kStages>(
      steps * count,
      [&](int64_t, int buffer) {
        head.stage(shared + buffer * Head::kStageBytes, p, t0, staged_v, staged_k * Head::kStepWidth);
        if (++staged_k == steps) staged_k = 0, staged_v += Head::kVocabulary;
      },
      [&](int64_t, int buffer) {
        head.multiply(shared + buffer * Head::kStageBytes, rows);
        if (++used < steps) return;
        finish(used_v);
        head.clear();
        used = 0;
        used_v += Head::kVocabulary;
      });
}

}  // namespace ht::cuda
