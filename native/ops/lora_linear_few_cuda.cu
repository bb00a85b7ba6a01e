// y = x W^T for few tokens: the time is that of reading W once, so everything is made for that.
//
// bf16 weights: tensor cores with weight rows as the m of m16n8k16 and tokens as its n. A block owns 16 or 32 weight rows (64 beside 64
// tokens), its warps take columns of k in turn, 32 at a time, and add their sums through shared memory in order. Weights go straight
// from memory to registers, 16 bytes per lane: a product does not care about the order of k, so the eight neighbours that lane t of a
// row loads serve as the columns 2t, 2t + 1, 2t + 8, 2t + 9 of two mma, and x is loaded the same way, from the L2. f32 activations are
// multiplied in two bf16 parts (gemm_operand.cuh).
// f32 weights: FFMA, four rows and eight tokens per warp, 16-byte loads.
// The low-rank term of every token is computed while the first weights are under way, 16 neighbouring outputs of a rank row together.
// Where x is computed on its way in (token_source_cuda.cuh), each block does so for itself, from the L2 and while its weights are under way.
// Weights up to kMaxWeights are kernel arguments; longer lists (heads) lie in device memory.
#include "ops/lora_linear_few_cuda.cuh"

#include "cuda/gemm_operand.cuh"

namespace ht::cuda {
namespace {

struct ByValue {
  FewWeight weight[kMaxWeights];
  __device__ __forceinline__ const FewWeight& operator[](int i) const { return weight[i]; }
};
struct ByPointer {
  const FewWeight* weight;
  __device__ __forceinline__ const FewWeight& operator[](int i) const { return weight[i]; }
};

// The weight that a tile belongs to; by all threads.
template <class List>
__device__ __forceinline__ int weight_of(const List& list, int count, int64_t tile, int* found) {
  if (count == 1) return 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x)
    if (list[i].first_tile <= tile && (i + 1 == count || tile < list[i + 1].first_tile)) *found = i;
  __syncthreads();
  return *found;
}

// c B of one result.
__device__ __forceinline__ float low_rank(const FewProducts& p, const FewWeight& w, int64_t t, int64_t row) {
  if (!w.coefficients) return 0;
  const int32_t slot = p.slots.slot(t, nullptr);
  const int width = w.pages.width(), page_rank = w.pages.page_rank;
  const float* const c = w.coefficients + t * width;
  float sum = 0;
  for (int j = 0; j < width; j += page_rank) {
    const int64_t first = w.pages.rank_row(slot, j, nullptr);
    if (first < 0) continue;
    if (w.outer_bf16) {
      const __nv_bfloat16* const b = static_cast<const __nv_bfloat16*>(w.outer) + first * w.rows + row;
#pragma unroll 8
      for (int r = 0; r < page_rank; ++r) sum += c[j + r] * to_float(b[r * w.rows]);
    } else {
      const float* const b = static_cast<const float*>(w.outer) + first * w.rows + row;
#pragma unroll 8
      for (int r = 0; r < page_rank; ++r) sum += c[j + r] * b[r * w.rows];
    }
  }
  return sum;
}

__device__ __forceinline__ void put(const FewProducts& p, const FewWeight& w, int64_t t, int64_t row, float v, int32_t* bad_index) {
  if (w.bias) v += w.bias_bf16 ? to_float(static_cast<const __nv_bfloat16*>(w.bias)[row]) : static_cast<const float*>(w.bias)[row];
  if (w.scale) {
    const int32_t slot = p.scale_slots.slot(t, bad_index);
    if (slot >= 0) v *= w.scale[slot * w.rows + row];
  }
  v *= p.factor;
  if (p.tanh) v = tanhf(v);
  const int64_t at = t * w.rows + row;
  if (p.y_dtype == DType::BF16) store(static_cast<__nv_bfloat16*>(w.y) + at, v);
  else store(static_cast<float*>(w.y) + at, v);
}

// Eight neighbours of k as they come from memory; those from `count` on are zero.
template <class T>
struct Raw;
template <>
struct Raw<__nv_bfloat16> {
  uint32_t pair[4];
  template <bool Wide>
  __device__ __forceinline__ void load(const __nv_bfloat16* p, int64_t count) {
    if constexpr (Wide) {
      const uint4 v = count > 0 ? *reinterpret_cast<const uint4*>(p) : make_uint4(0, 0, 0, 0);
      pair[0] = v.x, pair[1] = v.y, pair[2] = v.z, pair[3] = v.w;
    } else {
      const __nv_bfloat16 zero = __float2bfloat16(0.0f);
#pragma unroll
      for (int i = 0; i < 4; ++i) pair[i] = pack_bf16(2 * i < count ? p[2 * i] : zero, 2 * i + 1 < count ? p[2 * i + 1] : zero);
    }
  }
  __device__ __forceinline__ void set(const float (&v)[8]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) pair[i] = pack_bf16(__float2bfloat16(v[2 * i]), __float2bfloat16(v[2 * i + 1]));
  }
  __device__ __forceinline__ void parts(int i, uint32_t (&part)[1]) const { part[0] = pair[i]; }
};
template <>
struct Raw<float> {
  float v[8];
  template <bool Wide>
  __device__ __forceinline__ void load(const float* p, int64_t count) {
    if constexpr (Wide) {
      const float4 zero = make_float4(0, 0, 0, 0), a = count > 0 ? *reinterpret_cast<const float4*>(p) : zero, b = count > 0 ? *reinterpret_cast<const float4*>(p + 4) : zero;
      v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    } else {
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = i < count ? p[i] : 0.0f;
    }
  }
  __device__ __forceinline__ void set(const float (&x)[8]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = x[i];
  }
  __device__ __forceinline__ void parts(int i, uint32_t (&part)[2]) const { split_pair(v[2 * i], v[2 * i + 1], part[0], part[1]); }
};

// What a block must know of its tokens before it can compute x; by all threads, before a barrier.
template <class Source>
__device__ __forceinline__ void prepare_tokens(const Source& source, int64_t t0, int count, float* inverses) {
  if constexpr (std::is_same_v<Source, NormedTokens>)
    for (int i = threadIdx.x / kWarp; i < count; i += blockDim.x / kWarp) {
      const float inverse = source.inverse(t0 + i, source.h && (t0 + i) % gridDim.x == blockIdx.x);
      if (threadIdx.x % kWarp == 0) inverses[i] = inverse;
    }
}

// RowBlocks x 16 weight rows, TokenBlocks x 8 tokens; a warp has the loads of Ahead chunks of 32 columns in flight, those of x too
// where registers allow it.
template <int RowBlocks_, int TokenBlocks_, int Warps_, int Ahead_>
struct FewTile {
  static constexpr int kRowBlocks = RowBlocks_, kTokenBlocks = TokenBlocks_, kWarps = Warps_, kThreads = Warps_ * kWarp, kAhead = Ahead_;
  static constexpr bool kLoadsTokens = TokenBlocks_ <= 2;
  static constexpr int kRows = RowBlocks_ * 16, kTokens = TokenBlocks_ * 8;
  static constexpr size_t kShared = sizeof(float) * (kWarps + 1) * kRows * kTokens;
};

// acc += W x^T over this warp's chunks; meanwhile() runs while the first loads are under way, before x is computed.
template <class Tile, class TX, bool Wide, class Source, class Meanwhile>
__device__ __forceinline__ void accumulate(const FewProducts& p, const Source& source, const float* inverses, const __nv_bfloat16* w, int64_t rows, int64_t row0, int64_t t0,
                                           float (&acc)[Tile::kRowBlocks][Tile::kTokenBlocks][4], const Meanwhile& meanwhile) {
  constexpr int kParts = sizeof(TX) / 2, R = Tile::kRowBlocks, T = Tile::kTokenBlocks, Ahead = Tile::kAhead;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, g = lane / 4, columns = lane % 4 * 8;
  const TX* const x = static_cast<const TX*>(p.x);
  bool x_aligned = false;
  if constexpr (Source::kComputed) x_aligned = source.aligned();
  Raw<__nv_bfloat16> left[Ahead][R][2];
  constexpr bool kLoadsTokens = Tile::kLoadsTokens && !Source::kComputed;  // a computed x waits for meanwhile()
  Raw<TX> right[Ahead][kLoadsTokens ? T : 1];
  const auto load_tokens = [&](Raw<TX>& to, int j, int64_t k) {
    const int64_t t = t0 + j * 8 + g, left = t < p.tokens ? p.k - k : 0;
    if constexpr (Source::kComputed) {
      float v[8] = {};
      if (left > 0) source.load(t, inverses[j * 8 + g], k, left, x_aligned, v);
      to.set(v);
    } else {
      to.template load<Wide>(x + t * p.k + k, left);
    }
  };
  const auto load = [&](int64_t first) {
#pragma unroll
    for (int u = 0; u < Ahead; ++u) {
      const int64_t k = first + u * Tile::kWarps * 32;
#pragma unroll
      for (int i = 0; i < R; ++i)
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const int64_t row = row0 + i * 16 + h * 8 + g;
          left[u][i][h].template load<Wide>(w + row * p.k + k, row < rows ? p.k - k : 0);
        }
      if constexpr (kLoadsTokens)
#pragma unroll
        for (int j = 0; j < T; ++j) load_tokens(right[u][j], j, k);
    }
  };
  int64_t k = warp * 32 + columns;
  load(k);
  meanwhile();
  while (k - columns < p.k) {
#pragma unroll
    for (int u = 0; u < Ahead; ++u)
#pragma unroll
      for (int j = 0; j < T; ++j) {
        if constexpr (!kLoadsTokens) load_tokens(right[u][0], j, k + u * Tile::kWarps * 32);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          uint32_t pair[2][kParts];
          for (int q = 0; q < 2; ++q) right[u][kLoadsTokens ? j : 0].parts(2 * half + q, pair[q]);
#pragma unroll
          for (int part = kParts - 1; part >= 0; --part) {
            const uint32_t b[2] = {pair[0][part], pair[1][part]};
#pragma unroll
            for (int i = 0; i < R; ++i) {
              const uint32_t a[4] = {left[u][i][0].pair[2 * half], left[u][i][1].pair[2 * half], left[u][i][0].pair[2 * half + 1], left[u][i][1].pair[2 * half + 1]};
              dev::mma_m16n8k16_bf16(acc[i][j], a, b, acc[i][j]);
            }
          }
        }
      }
    k += Ahead * Tile::kWarps * 32;
    if (k - columns < p.k) load(k);
  }
}

template <class Tile, class TX, class Source, class List>
__global__ void __launch_bounds__(Tile::kThreads) few_tensor_kernel(FewProducts p, Source source, List list, int count, int32_t* bad_index) {
  constexpr int R = Tile::kRows, T = Tile::kTokens, kSize = R * T;
  DYN_SHARED(float, sums);  // [warps][tokens][rows], then the low-rank terms [tokens][rows]
  SHARED(int, found, [1]);
  SHARED(float, inverses, [T]);
  const FewWeight& w = list[weight_of(list, count, blockIdx.x, found)];
  const int64_t row0 = (blockIdx.x - w.first_tile) * R, t0 = int64_t{blockIdx.y} * T;
  const int64_t rows = w.rows - row0 < R ? w.rows - row0 : R, tokens = p.tokens - t0 < T ? p.tokens - t0 : T;
  float* const extra = sums + Tile::kWarps * kSize;
  const auto meanwhile = [&] {
    prepare_tokens(source, t0, static_cast<int>(tokens), inverses);
    for (int e = threadIdx.x; e < kSize; e += Tile::kThreads)
      if (e % R < rows && e / R < tokens) extra[e] = low_rank(p, w, t0 + e / R, row0 + e % R);
    if constexpr (Source::kComputed) __syncthreads();
  };

  float acc[Tile::kRowBlocks][Tile::kTokenBlocks][4] = {};
  const __nv_bfloat16* const weight = static_cast<const __nv_bfloat16*>(w.w);
  // A computed x counts as aligned, p.x being null.
  if (wide(weight, p.k) && wide(static_cast<const TX*>(p.x), p.k) && p.k % 8 == 0) accumulate<Tile, TX, true>(p, source, inverses, weight, w.rows, row0, t0, acc, meanwhile);
  else accumulate<Tile, TX, false>(p, source, inverses, weight, w.rows, row0, t0, acc, meanwhile);

  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
#pragma unroll
  for (int i = 0; i < Tile::kRowBlocks; ++i)
#pragma unroll
    for (int j = 0; j < Tile::kTokenBlocks; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[warp * kSize + (j * 8 + lane % 4 * 2 + e % 2) * R + i * 16 + e / 2 * 8 + lane / 4] = acc[i][j][e];
  __syncthreads();
  for (int e = threadIdx.x; e < kSize; e += Tile::kThreads) {
    if (e % R >= rows || e / R >= tokens) continue;
    float v = sums[e];
#pragma unroll
    for (int s = 1; s < Tile::kWarps; ++s) v += sums[s * kSize + e];
    put(p, w, t0 + e / R, row0 + e % R, v + extra[e], bad_index);
  }
}

constexpr int kFloatWarps = 8, kFloatRows = 4, kFloatTokens = 8, kFloatThreads = kFloatWarps * kWarp;

template <class Source, class List>
__global__ void __launch_bounds__(kFloatThreads) few_float_kernel(FewProducts p, Source source, List list, int count, int32_t* bad_index) {
  SHARED(int, found, [1]);
  SHARED(float, inverses, [kFloatTokens]);
  const FewWeight& w = list[weight_of(list, count, blockIdx.x, found)];
  const int lane = threadIdx.x % kWarp;
  const int64_t row0 = ((blockIdx.x - w.first_tile) * kFloatWarps + threadIdx.x / kWarp) * kFloatRows, t0 = int64_t{blockIdx.y} * kFloatTokens;
  const float *const x = static_cast<const float*>(p.x), *const weight = static_cast<const float*>(w.w);
  bool x_aligned = false;
  if constexpr (Source::kComputed) {
    x_aligned = source.aligned();
    prepare_tokens(source, t0, static_cast<int>(p.tokens - t0 < kFloatTokens ? p.tokens - t0 : kFloatTokens), inverses);
    __syncthreads();
  }
  // N elements of token t0 + t.
  const auto token = [&](int t, int64_t k, auto& v) {
    if constexpr (Source::kComputed) source.load(t0 + t, inverses[t], k, p.k - k, x_aligned, v);
  };
  float sum[kFloatRows][kFloatTokens] = {};
  if (wide(x, p.k) && wide(weight, p.k)) {
    for (int64_t k = lane * 4; k < p.k; k += kWarp * 4) {
      const float4 zero = make_float4(0, 0, 0, 0);
      float4 left[kFloatRows], right[Source::kComputed ? 1 : kFloatTokens];
#pragma unroll
      for (int r = 0; r < kFloatRows; ++r) left[r] = row0 + r < w.rows ? *reinterpret_cast<const float4*>(weight + (row0 + r) * p.k + k) : zero;
#pragma unroll
      for (int t = 0; t < kFloatTokens; ++t)
        if constexpr (!Source::kComputed) right[t] = t0 + t < p.tokens ? *reinterpret_cast<const float4*>(x + (t0 + t) * p.k + k) : zero;
#pragma unroll
      for (int t = 0; t < kFloatTokens; ++t) {
        if constexpr (Source::kComputed) {
          float v[4] = {};
          if (t0 + t < p.tokens) token(t, k, v);
          right[0] = make_float4(v[0], v[1], v[2], v[3]);
        }
        const float4& x4 = right[Source::kComputed ? 0 : t];
#pragma unroll
        for (int r = 0; r < kFloatRows; ++r) sum[r][t] += left[r].x * x4.x + left[r].y * x4.y + left[r].z * x4.z + left[r].w * x4.w;
      }
    }
  } else {
    for (int64_t k = lane; k < p.k; k += kWarp) {
      float right[kFloatTokens];
#pragma unroll
      for (int t = 0; t < kFloatTokens; ++t) {
        if constexpr (Source::kComputed) {
          float v[1] = {};
          if (t0 + t < p.tokens) token(t, k, v);
          right[t] = v[0];
        } else {
          right[t] = t0 + t < p.tokens ? x[(t0 + t) * p.k + k] : 0.0f;
        }
      }
#pragma unroll
      for (int r = 0; r < kFloatRows; ++r) {
        const float left = row0 + r < w.rows ? weight[(row0 + r) * p.k + k] : 0.0f;
#pragma unroll
        for (int t = 0; t < kFloatTokens; ++t) sum[r][t] += left * right[t];
      }
    }
  }
  // Lane r * tokens + t keeps the sum of (r, t).
  float mine = 0;
#pragma unroll
  for (int r = 0; r < kFloatRows; ++r)
#pragma unroll
    for (int t = 0; t < kFloatTokens; ++t) {
      const float all = warp_sum(sum[r][t]);
      if (lane == t * kFloatRows + r) mine = all;
    }
  const int64_t row = row0 + lane % kFloatRows, t = t0 + lane / kFloatRows;
  if (row < w.rows && t < p.tokens) put(p, w, t, row, mine + low_rank(p, w, t, row), bad_index);
}

// Tiles of `rows` weight rows.
int64_t number_tiles(FewWeight* weights, int count, int rows) {
  int64_t tiles = 0;
  for (int i = 0; i < count; ++i) {
    weights[i].first_tile = tiles;
    tiles += (weights[i].rows + rows - 1) / rows;
  }
  return tiles;
}

// Long lists have f32 activations in memory: only heads are so many.
template <class TX, class Source, class F>
void with_list(Launcher& l, const FewWeight* weights, int count, const F& f) {
  if constexpr (sizeof(TX) == sizeof(float) && !Source::kComputed)
    if (count > kMaxWeights) return f(ByPointer{l.constant(weights, count)});
  ByValue list;
  std::copy(weights, weights + count, list.weight);
  f(list);
}

template <class Tile, class TX, class Source>
void launch_tensor(Launcher& l, const FewProducts& p, const Source& source, FewWeight* weights, int count) {
  const int64_t tiles = number_tiles(weights, count, Tile::kRows);
  with_list<TX, Source>(l, weights, count, [&](auto list) {
    const dim3 grid(static_cast<unsigned>(tiles), blocks_for(p.tokens, Tile::kTokens));
    l.launch(few_tensor_kernel<Tile, TX, Source, decltype(list)>, grid, dim3(Tile::kThreads), Tile::kShared, p, source, list, count, l.bad_index());
  });
}

constexpr int64_t kManyRows = 16384;  // weight rows from which two row blocks per block of threads still fill a device

template <class TX, class Source>
void launch_tensor(Launcher& l, const FewProducts& p, const Source& source, FewWeight* weights, int count) {
  int64_t rows = 0;
  for (int i = 0; i < count; ++i) rows += weights[i].rows;
  if (p.tokens > 32) launch_tensor<FewTile<4, 8, 4, 1>, TX>(l, p, source, weights, count);
  else if (p.tokens > 16) launch_tensor<FewTile<2, 4, 8, 1>, TX>(l, p, source, weights, count);
  else if (p.tokens > 8) launch_tensor<FewTile<1, 2, 8, 3>, TX>(l, p, source, weights, count);
  else if (Source::kComputed || rows < kManyRows) launch_tensor<FewTile<1, 1, 8, 4>, TX>(l, p, source, weights, count);
  else if constexpr (!Source::kComputed) launch_tensor<FewTile<2, 1, 8, 2>, TX>(l, p, source, weights, count);  // computing x takes its registers
}

}  // namespace

void few_products(Launcher& l, const FewProducts& p, FewWeight* weights, int count, const TokenSource& from) {
  if (!count) return;
  std::visit([&](const auto& source) {
    using Source = std::decay_t<decltype(source)>;
    if (p.w_dtype == DType::F32) {
      const int64_t tiles = number_tiles(weights, count, kFloatWarps * kFloatRows);
      with_list<float, Source>(l, weights, count, [&](auto list) {
        const dim3 grid(static_cast<unsigned>(tiles), blocks_for(p.tokens, kFloatTokens));
        l.launch(few_float_kernel<Source, decltype(list)>, grid, dim3(kFloatThreads), 0, p, source, list, count, l.bad_index());
      });
    } else if (p.x_dtype == DType::F32) {
      launch_tensor<float>(l, p, source, weights, count);
    } else {
      launch_tensor<bf16>(l, p, source, weights, count);
    }
  }, from);
}

}  // namespace ht::cuda
