// c = alpha a b + beta c. Two kernels: tensor cores where an operand is bf16 (gemm_mma.cuh), FFMA where both are f32 (gemm_ffma.cuh).
//
// Bytes moved: a is read once per column of tiles and b once per row of tiles, mostly from the L2: blocks that run at the same time
// form squares (kGroup rows of tiles, then the next column). c is written once.
// Products with few tiles and a long k are cut along k: partial results go to scratch, and a second kernel adds them in order.
// f32 times bf16 runs as such, bf16 times f32 as the transposed product. Tile and cut depend on the shape alone, so the bits do too.
#include "cuda/gemm.h"

#include <algorithm>

#include "cuda/gemm_ffma.cuh"
#include "cuda/gemm_mma.cuh"
#include "cuda/types.h"

namespace ht::cuda {
namespace {

constexpr int64_t kLargeTiles = 96;   // so many 128 x 128 tiles fill a device; with fewer, smaller ones
constexpr int64_t kSplitBlocks = 128;  // blocks that a product with few tiles is cut into
constexpr int64_t kSplitColumns = 256;  // of k, the least that a cut is worth
constexpr int64_t kTileLimit = 128 * 64;  // results of a tile in a product that may be cut
constexpr int kGroup = 8;

struct Problem {
  int64_t m, n, k;
  const void *a, *b;
  int64_t a_mn, a_k, b_mn, b_k;  // strides
  void* c;
  int64_t c_m, c_n;  // strides
  float alpha, beta;
  bool c_bf16;
  int64_t tiles_m, tiles_n, split_k;  // columns of k per split
  float* partial;                     // [splits, m, n] where there are several
};

struct Corner {
  int64_t m, n;
};

__device__ __forceinline__ Corner corner_of(const Problem& p, int tile_m, int tile_n) {
  const int64_t per_group = kGroup * p.tiles_n, group = blockIdx.x / per_group, within = blockIdx.x % per_group;
  const int64_t first = group * kGroup, rows = p.tiles_m - first < kGroup ? p.tiles_m - first : kGroup;
  return {(first + within % rows) * tile_m, within / rows * tile_n};
}

__device__ __forceinline__ void put(const Problem& p, int64_t i, int64_t j, float v) {
  if (i >= p.m || j >= p.n) return;
  if (p.partial) {
    p.partial[(blockIdx.y * p.m + i) * p.n + j] = v;
    return;
  }
  const int64_t at = i * p.c_m + j * p.c_n;
  v *= p.alpha;
  if (p.c_bf16) {
    __nv_bfloat16* c = static_cast<__nv_bfloat16*>(p.c) + at;
    store(c, p.beta != 0 ? v + p.beta * to_float(*c) : v);
  } else {
    float* c = static_cast<float*>(p.c) + at;
    *c = p.beta != 0 ? v + p.beta * *c : v;
  }
}

// A pair of neighbours; `paired`: both rows and base let it be stored at once.
__device__ __forceinline__ void put_pair(const Problem& p, bool paired, int64_t i, int64_t j, float x, float y) {
  if (!paired || j + 1 >= p.n || i >= p.m) {
    put(p, i, j, x);
    put(p, i, j + 1, y);
  } else if (p.c_bf16) {
    *reinterpret_cast<uint32_t*>(static_cast<__nv_bfloat16*>(p.c) + i * p.c_m + j) = pack_bf16(__float2bfloat16(p.alpha * x), __float2bfloat16(p.alpha * y));
  } else {
    *reinterpret_cast<float2*>(static_cast<float*>(p.c) + i * p.c_m + j) = make_float2(p.alpha * x, p.alpha * y);
  }
}

template <class Tile, class TA, bool AK, class TB, bool BK>
__global__ void __launch_bounds__(Tile::kThreads, 2) gemm_mma_kernel(Problem p) {
  using A = OperandTile<TA, Tile::M, AK, Tile::kThreads>;
  using B = OperandTile<TB, Tile::N, BK, Tile::kThreads>;
  DYN_SHARED(char, shared);
  const Corner corner = corner_of(p, Tile::M, Tile::N);
  const TA* const a = static_cast<const TA*>(p.a);
  const TB* const b = static_cast<const TB*>(p.b);
  const int64_t a_stride = AK ? p.a_mn : p.a_k, b_stride = BK ? p.b_mn : p.b_k;
  const bool a_wide = wide(a, a_stride), b_wide = wide(b, b_stride);
  const int64_t k0 = blockIdx.y * p.split_k, k1 = k0 + p.split_k < p.k ? k0 + p.split_k : p.k;
  const auto left = [&](int buffer) { return reinterpret_cast<TA*>(shared + buffer * (A::kBytes + B::kBytes)); };
  const auto right = [&](int buffer) { return reinterpret_cast<TB*>(shared + buffer * (A::kBytes + B::kBytes) + A::kBytes); };

  typename Tile::Accumulators acc;
  Tile::clear(acc);
  pipeline<Tile::kStages>(
      (k1 - k0 + kStepK - 1) / kStepK,
      [&](int64_t step, int buffer) {
        const int64_t k = k0 + step * kStepK;
        if (a_wide) A::template stage<true>(left(buffer), a, a_stride, corner.m, p.m, k, k1);
        else A::template stage<false>(left(buffer), a, a_stride, corner.m, p.m, k, k1);
        if (b_wide) B::template stage<true>(right(buffer), b, b_stride, corner.n, p.n, k, k1);
        else B::template stage<false>(right(buffer), b, b_stride, corner.n, p.n, k, k1);
      },
      [&](int64_t, int buffer) { Tile::template multiply<A, B>(left(buffer), right(buffer), acc); });

  const bool paired = !p.partial && p.beta == 0 && p.c_n == 1 && p.c_m % 2 == 0 && reinterpret_cast<uintptr_t>(p.c) % (p.c_bf16 ? 4 : 8) == 0;
  Tile::each_pair(acc, [&](int i, int j, float x, float y) { put_pair(p, paired, corner.m + i, corner.n + j, x, y); });
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 2) gemm_ffma_kernel(Problem p) {
  DYN_SHARED(float, shared);
  const Corner corner = corner_of(p, Tile::M, Tile::N);
  const float *const a = static_cast<const float*>(p.a), *const b = static_cast<const float*>(p.b);
  const bool a_wide = p.a_mn == 1 && wide(a, p.a_k), b_wide = p.b_mn == 1 && wide(b, p.b_k);
  const int64_t k0 = blockIdx.y * p.split_k, k1 = k0 + p.split_k < p.k ? k0 + p.split_k : p.k;

  typename Tile::Accumulators acc;
  Tile::clear(acc);
  pipeline<Tile::kStages>(
      (k1 - k0 + Tile::kStepK - 1) / Tile::kStepK,
      [&](int64_t step, int buffer) {
        float* const tile = shared + buffer * Tile::kStageFloats;
        const int64_t k = k0 + step * Tile::kStepK;
        Tile::template stage<Tile::M>(tile, a, p.a_mn, p.a_k, a_wide, corner.m, p.m, k, k1);
        Tile::template stage<Tile::N>(tile + Tile::kFloatsA, b, p.b_mn, p.b_k, b_wide, corner.n, p.n, k, k1);
      },
      [&](int64_t, int buffer) { Tile::multiply(shared + buffer * Tile::kStageFloats, shared + buffer * Tile::kStageFloats + Tile::kFloatsA, acc); });
  Tile::each(acc, [&](int i, int j, float v) { put(p, corner.m + i, corner.n + j, v); });
}

constexpr int kAddThreads = 256;

// The sum of the splits' partial results, splits in order.
__global__ void __launch_bounds__(kAddThreads) add_splits_kernel(Problem p, int splits) {
  const int64_t e = int64_t{blockIdx.x} * kAddThreads + threadIdx.x, size = p.m * p.n;
  if (e >= size) return;
  float sum = 0;
  for (int s = 0; s < splits; ++s) sum += p.partial[s * size + e];
  p.partial = nullptr;
  put(p, e / p.n, e % p.n, sum);
}

template <class Tile, class TA, bool AK, class TB, bool BK>
void launch_mma(Launcher& l, const Problem& p, dim3 grid) {
  const size_t shared = static_cast<size_t>(Tile::kStages) * kStepK * (Tile::M * sizeof(TA) + Tile::N * sizeof(TB));
  l.launch(gemm_mma_kernel<Tile, TA, AK, TB, BK>, grid, dim3(Tile::kThreads), shared, p);
}

template <class Tile, class TA>
void launch_mma(Launcher& l, const Problem& p, dim3 grid) {
  const bool ak = p.a_k == 1, bk = p.b_k == 1;
  if (ak && bk) launch_mma<Tile, TA, true, bf16, true>(l, p, grid);
  else if (ak) launch_mma<Tile, TA, true, bf16, false>(l, p, grid);
  else if (bk) launch_mma<Tile, TA, false, bf16, true>(l, p, grid);
  else launch_mma<Tile, TA, false, bf16, false>(l, p, grid);
}

template <class Tile>
void launch_ffma(Launcher& l, const Problem& p, dim3 grid) {
  l.launch(gemm_ffma_kernel<Tile>, grid, dim3(Tile::kThreads), Tile::kStages * Tile::kStageFloats * sizeof(float), p);
}

using Large = MmaTile<128, 128>;
using Small = MmaTile<64, 64>;
using Mixed = MmaTile<128, 64>;
using LargeFloat = FfmaTile<128, 128>;
using SmallFloat = FfmaTile<64, 64>;

Matrix transposed(const Matrix& x) { return {x.data, x.dtype, x.column_stride, x.row_stride}; }

// The product a b, m x n; a is f32 where one operand is. Element (i, j) goes to c[i * c_m + j * c_n].
void product(Launcher& l, int64_t m, int64_t n, int64_t k, const Matrix& a, const Matrix& b, const Gemm& g, int64_t c_m, int64_t c_n) {
  Problem p{m, n, k, a.data, b.data, a.row_stride, a.column_stride, b.column_stride, b.row_stride, g.c, c_m, c_n, g.alpha, g.beta, g.c_dtype == DType::BF16, 0, 0, k, nullptr};
  const bool all_float = b.dtype == DType::F32, mixed = !all_float && a.dtype == DType::F32;
  const bool large = blocks_for(m, 128) * int64_t{blocks_for(n, 128)} >= kLargeTiles;
  p.tiles_m = blocks_for(m, large || mixed ? 128 : 64);
  p.tiles_n = blocks_for(n, large && !mixed ? 128 : 64);
  const int64_t tiles = p.tiles_m * p.tiles_n;

  float* const partial = l.scratch<float>(kSplitBlocks * kTileLimit);
  const int64_t wanted = tiles ? std::min(kSplitBlocks / tiles, k / kSplitColumns) : 1;
  int64_t splits = 1;
  if (wanted > 1) {
    p.split_k = ((k + wanted - 1) / wanted + kStepK - 1) / kStepK * kStepK;
    splits = (k + p.split_k - 1) / p.split_k;
  }
  if (splits > 1) p.partial = partial;

  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(splits));
  if (all_float && large) launch_ffma<LargeFloat>(l, p, grid);
  else if (all_float) launch_ffma<SmallFloat>(l, p, grid);
  else if (mixed) launch_mma<Mixed, float>(l, p, grid);
  else if (large) launch_mma<Large, bf16>(l, p, grid);
  else launch_mma<Small, bf16>(l, p, grid);
  if (splits > 1) l.launch(add_splits_kernel, dim3(blocks_for(m * n, kAddThreads)), dim3(kAddThreads), 0, p, static_cast<int>(splits));
}

}  // namespace

void gemm(Launcher& l, const Gemm& g) {
  if (g.a.dtype == DType::BF16 && g.b.dtype == DType::F32) return product(l, g.n, g.m, g.k, transposed(g.b), transposed(g.a), g, 1, g.c_stride);
  product(l, g.m, g.n, g.k, g.a, g.b, g, g.c_stride, 1);
}

}  // namespace ht::cuda
