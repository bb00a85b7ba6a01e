// y = scale * sum over terms of (x W + c B) for many tokens, in tiles of results.
//
// The low-rank term is more steps of the same product: a step has the coefficients c of the tile's tokens on the left (zero for
// tokens of other runs) and sixteen rank rows of the run's slot on the right, in the same accumulators. So W and x are read as in
// a plain product, and y is written once. Tokens are sorted by row, a tile holds few runs of tokens with one slot; 16-row blocks that
// a run does not touch are left out. With tensor cores a step of 32 columns is the high and the low part of sixteen coefficients
// against the same rank rows twice; rank rows in f32 take two such steps, one per part.
// All outputs (q, k and v share x) are one launch, and so are all terms of one output (dx sums over weights).
#include "ops/lora_linear_tiles_cuda.cuh"

#include "cuda/gemm_ffma.cuh"
#include "cuda/gemm_mma.cuh"

namespace ht::cuda {
namespace {

constexpr int kGroup = 8;  // rows of tiles that run side by side, so that a column of W is read from the L2

struct Corner {
  int64_t m, n;
  int output;
};

__device__ __forceinline__ Corner corner_of(const Products& p, int tile_m, int tile_n) {
  const int64_t per_group = kGroup * p.tiles_n, group = blockIdx.x / per_group, within = blockIdx.x % per_group;
  const int64_t first = group * kGroup, rows = p.tiles_m - first < kGroup ? p.tiles_m - first : kGroup;
  const int64_t n = within / rows;
  int output = 0;
  while (output + 1 < p.outputs && n >= p.output[output + 1].first_tile) ++output;
  return {(first + within % rows) * tile_m, (n - p.output[output].first_tile) * tile_n, output};
}

// The steps of one output's product in order: for each term its columns of W, then for each run of tokens the groups of its slot.
// `used` counts the groups, [terms, M]. Whoever stages and whoever multiplies walks on its own.
template <int M>
struct Walk {
  const Products& p;
  const Runs<M>& runs;
  const uint16_t* used;
  int first_term, end_term, term, run = -1, group = 0, part = 0;  // run -1: columns of W
  int64_t k = 0;

  __device__ __forceinline__ Walk(const Products& p, const ProductOutput& o, const Runs<M>& runs, const uint16_t* used)
      : p(p), runs(runs), used(used), first_term(o.first_term), end_term(o.first_term + o.terms), term(o.first_term) {
    settle();
  }
  // To the next step of step_k columns, or the next of the `parts` steps of a group.
  __device__ __forceinline__ void next(int step_k, int parts) {
    if (run < 0) {
      k += step_k;
      if (k < p.term[term].k) return;
      run = 0;
    } else {
      if (++part < parts) return;
      part = 0;
      if (++group < used[(term - first_term) * M + run]) return;
      ++run;
    }
    settle();
  }
  // Goes on to where there is something to do.
  __device__ __forceinline__ void settle() {
    group = part = 0;
    for (; term < end_term; ++term, run = -1, k = 0) {
      if (run < 0) {
        if (p.term[term].k > 0) return;
        run = 0;
      }
      while (run < runs.count && used[(term - first_term) * M + run] == 0) ++run;
      if (run < runs.count) return;
    }
  }
};

// Fills `used` and returns the number of steps; by all threads.
template <int M>
__device__ __forceinline__ int64_t count_steps(const Products& p, const ProductOutput& o, const Runs<M>& runs, uint16_t* used, int* steps, int step_k, bool in_parts) {
  if (threadIdx.x == 0) *steps = 0;
  __syncthreads();
  int mine = 0;
  for (int i = threadIdx.x; i < o.terms * runs.count; i += blockDim.x) {
    const int term = i / runs.count, run = i % runs.count;
    const LowRankTerm& low = p.term[o.first_term + term].low;
    const int groups = low.present ? low.pages.groups_of(runs.slot[run]) : 0;
    used[term * M + run] = static_cast<uint16_t>(groups);
    mine += groups * (in_parts && low.outer_dtype == DType::F32 ? 2 : 1);
  }
  if (mine) atomicAdd(steps, mine);
  __syncthreads();
  int64_t all = *steps;
  for (int term = 0; term < o.terms; ++term) all += (p.term[o.first_term + term].k + step_k - 1) / step_k;
  return all;
}

template <class Y>
__device__ __forceinline__ void put(const Products& p, const ProductOutput& o, int64_t t, int64_t j, float v, const float* scale) {
  if (j >= o.width) return;
  if (scale) v *= scale[j];
  Y* const y = static_cast<Y*>(o.y) + t * o.width + j;
  store(y, p.accumulate ? v + to_float(*y) : v);
}

__device__ __forceinline__ const float* scale_row(const Products& p, const ProductOutput& o, int64_t t, int32_t* bad_index) {
  if (!o.scale) return nullptr;
  const int32_t slot = p.scale_slots.slot(t, bad_index);
  return slot < 0 ? nullptr : o.scale + slot * o.width;
}

// Sixteen rank rows, twice, as the right operand of a step: part 0 or 1 of f32 rows, bf16 rows as they are.
template <class B>
__device__ __forceinline__ void stage_ranks(__nv_bfloat16* tile, const LowRankTerm& low, int32_t slot, int group, int part, int64_t n0, int64_t width) {
  const auto row_of = [&](int i) { return low.pages.rank_row(slot, group * kRankGroup + i % kRankGroup, nullptr); };
  if (low.outer_dtype == DType::BF16) {
    const __nv_bfloat16* const outer = static_cast<const __nv_bfloat16*>(low.outer);
    const auto row_at = [&](int i) {
      const int64_t row = row_of(i);
      return row < 0 ? nullptr : outer + row * width + n0;
    };
    if (wide(outer, width)) B::template stage_rows<true>(tile, outer, row_at, width - n0);
    else B::template stage_rows<false>(tile, outer, row_at, width - n0);
    return;
  }
  const float* const outer = static_cast<const float*>(low.outer);
  for (int e = threadIdx.x; e < kRankGroup * B::kColumns; e += blockDim.x) {
    const int i = e / B::kColumns, column = e % B::kColumns;
    const int64_t row = row_of(i);
    const float v = row < 0 || n0 + column >= width ? 0.0f : outer[row * width + n0 + column];
    const __nv_bfloat16 hi = __float2bfloat16(v), kept = part == 0 ? hi : __float2bfloat16(v - __bfloat162float(hi));
    tile[B::at(i, column)] = kept;
    tile[B::at(i + kRankGroup, column)] = kept;
  }
}

template <class Tile, class TX, bool WRows, class Y>
__global__ void __launch_bounds__(Tile::kThreads, 2) tensor_kernel(Products p, int32_t* bad_index) {
  constexpr int M = Tile::M, N = Tile::N;
  using W = __nv_bfloat16;
  using A = OperandTile<TX, M, true, Tile::kThreads>;
  using B = OperandTile<W, N, WRows, Tile::kThreads>;
  using C = OperandTile<__nv_bfloat16, M, true, Tile::kThreads>;
  using R = OperandTile<__nv_bfloat16, N, false, Tile::kThreads>;
  static_assert(kStepK == 2 * kRankGroup, "a step holds both parts of a group");
  SHARED(Runs<M>, run_memory, [1]);
  SHARED(int, steps, [1]);
  DYN_SHARED(char, shared);
  constexpr int kStageBytes = A::kBytes + B::kBytes;
  uint16_t* const used = reinterpret_cast<uint16_t*>(shared + Tile::kStages * kStageBytes);
  Runs<M>& runs = run_memory[0];
  const auto left = [&](int buffer) { return shared + buffer * kStageBytes; };
  const auto right = [&](int buffer) { return shared + buffer * kStageBytes + A::kBytes; };

  const Corner corner = corner_of(p, M, N);
  const ProductOutput& o = p.output[corner.output];
  runs.find(p.slots, corner.m, p.tokens, bad_index);
  const int64_t all = count_steps<M>(p, o, runs, used, steps, kStepK, true);
  const auto parts = [&](const Walk<M>& at) { return p.term[at.term].low.outer_dtype == DType::F32 ? 2 : 1; };

  typename Tile::Accumulators acc;
  Tile::clear(acc);
  Walk<M> ahead(p, o, runs, used), here(p, o, runs, used);
  pipeline<Tile::kStages>(
      all,
      [&](int64_t, int buffer) {
        const ProductTerm& term = p.term[ahead.term];
        if (ahead.run < 0) {
          const TX* const x = static_cast<const TX*>(term.x);
          const W* const w = static_cast<const W*>(term.w);
          TX* const a = reinterpret_cast<TX*>(left(buffer));
          W* const b = reinterpret_cast<W*>(right(buffer));
          if (wide(x, term.k)) A::template stage<true>(a, x, term.k, corner.m, p.tokens, ahead.k, term.k);
          else A::template stage<false>(a, x, term.k, corner.m, p.tokens, ahead.k, term.k);
          const int64_t stride = WRows ? term.k : o.width;
          if (wide(w, stride)) B::template stage<true>(b, w, stride, corner.n, o.width, ahead.k, term.k);
          else B::template stage<false>(b, w, stride, corner.n, o.width, ahead.k, term.k);
        } else {
          const __nv_bfloat16* const c = static_cast<const __nv_bfloat16*>(term.low.coefficients);
          const int begin = runs.begin[ahead.run], end = runs.begin[ahead.run + 1], groups = term.low.pages.groups();
          C::template stage_rows<true>(
              reinterpret_cast<__nv_bfloat16*>(left(buffer)), c,
              [&](int i) { return i < begin || i >= end ? nullptr : c + ((corner.m + i) * groups + ahead.group) * kStepK; }, kStepK);
          stage_ranks<R>(reinterpret_cast<__nv_bfloat16*>(right(buffer)), term.low, runs.slot[ahead.run], ahead.group, ahead.part, corner.n, o.width);
        }
        ahead.next(kStepK, parts(ahead));
      },
      [&](int64_t, int buffer) {
        if (here.run < 0)
          Tile::template multiply<A, B>(reinterpret_cast<const TX*>(left(buffer)), reinterpret_cast<const W*>(right(buffer)), acc);
        else
          Tile::template multiply<C, R>(reinterpret_cast<const __nv_bfloat16*>(left(buffer)), reinterpret_cast<const __nv_bfloat16*>(right(buffer)), acc, runs.begin[here.run],
                                        runs.begin[here.run + 1]);
        here.next(kStepK, parts(here));
      });

  constexpr bool kFloat = sizeof(Y) == 4;
  const bool paired = !p.accumulate && o.width % 2 == 0 && reinterpret_cast<uintptr_t>(o.y) % (2 * sizeof(Y)) == 0;
  Tile::each_pair(acc, [&](int i, int j, float v, float w) {
    const int64_t t = corner.m + i, n = corner.n + j;
    if (t >= p.tokens || n >= o.width) return;
    const float* const scale = scale_row(p, o, t, bad_index);
    if (!paired) {
      put<Y>(p, o, t, n, v, scale);
      put<Y>(p, o, t, n + 1, w, scale);
      return;
    }
    if (scale) v *= scale[n], w *= scale[n + 1];
    Y* const y = static_cast<Y*>(o.y) + t * o.width + n;
    if constexpr (kFloat) *reinterpret_cast<float2*>(y) = make_float2(v, w);
    else *reinterpret_cast<uint32_t*>(y) = pack_bf16(__float2bfloat16(v), __float2bfloat16(w));
  });
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 2) float_kernel(Products p, int32_t* bad_index) {
  constexpr int M = Tile::M, N = Tile::N;
  static_assert(Tile::kStepK == kRankGroup, "a step holds a group");
  SHARED(Runs<M>, run_memory, [1]);
  SHARED(int, steps, [1]);
  DYN_SHARED(float, shared);
  uint16_t* const used = reinterpret_cast<uint16_t*>(shared + Tile::kStages * Tile::kStageFloats);
  Runs<M>& runs = run_memory[0];
  const Corner corner = corner_of(p, M, N);
  const ProductOutput& o = p.output[corner.output];
  runs.find(p.slots, corner.m, p.tokens, bad_index);
  const int64_t all = count_steps<M>(p, o, runs, used, steps, Tile::kStepK, false);

  typename Tile::Accumulators acc;
  Tile::clear(acc);
  Walk<M> at(p, o, runs, used);
  pipeline<Tile::kStages>(
      all,
      [&](int64_t, int buffer) {
        float* const left = shared + buffer * Tile::kStageFloats;
        float* const right = left + Tile::kFloatsA;
        const ProductTerm& term = p.term[at.term];
        if (at.run < 0) {
          const float *const x = static_cast<const float*>(term.x), *const w = static_cast<const float*>(term.w);
          Tile::template stage<M>(left, x, term.k, 1, false, corner.m, p.tokens, at.k, term.k);
          if (p.w_rows) Tile::template stage<N>(right, w, term.k, 1, false, corner.n, o.width, at.k, term.k);
          else Tile::template stage<N>(right, w, 1, o.width, wide(w, o.width), corner.n, o.width, at.k, term.k);
        } else {
          const float* const c = static_cast<const float*>(term.low.coefficients);
          const int begin = runs.begin[at.run], end = runs.begin[at.run + 1], width = term.low.pages.width();
          for (int e = threadIdx.x; e < M * kRankGroup; e += Tile::kThreads) {
            const int i = e / kRankGroup, rank = at.group * kRankGroup + e % kRankGroup;
            const bool inside = i >= begin && i < end && rank < width;
            dev::cp_async<4>(left + e % kRankGroup * (M + Tile::kPad) + i, inside ? c + (corner.m + i) * width + rank : c, inside ? 4 : 0);
          }
          for (int e = threadIdx.x; e < N * kRankGroup; e += Tile::kThreads) {
            const int64_t row = term.low.pages.rank_row(runs.slot[at.run], at.group * kRankGroup + e / N, nullptr), from = row * o.width + corner.n + e % N;
            float* const to = right + e / N * (N + Tile::kPad) + e % N;
            if (row < 0 || corner.n + e % N >= o.width) *to = 0;
            else if (term.low.outer_dtype == DType::F32) dev::cp_async<4>(to, static_cast<const float*>(term.low.outer) + from);
            else *to = to_float(static_cast<const __nv_bfloat16*>(term.low.outer)[from]);
          }
        }
        at.next(Tile::kStepK, 1);
      },
      [&](int64_t, int buffer) { Tile::multiply(shared + buffer * Tile::kStageFloats, shared + buffer * Tile::kStageFloats + Tile::kFloatsA, acc); });
  Tile::each(acc, [&](int i, int j, float v) {
    const int64_t t = corner.m + i;
    if (t >= p.tokens) return;
    const float* const scale = scale_row(p, o, t, bad_index);
    if (p.y_dtype == DType::BF16) put<__nv_bfloat16>(p, o, t, corner.n + j, v, scale);
    else put<float>(p, o, t, corner.n + j, v, scale);
  });
}

using Large = MmaTile<128, 128>;
using Small = MmaTile<64, 64>;
using Mixed = MmaTile<128, 64>;
using LargeFloat = FfmaTile<128, 128>;
using SmallFloat = FfmaTile<64, 64>;

constexpr int64_t kLargeTiles = 96;  // so many large tiles fill a device

int64_t number_tiles(Products& p, int64_t edge_m, int64_t edge_n) {
  p.tiles_m = (p.tokens + edge_m - 1) / edge_m;
  p.tiles_n = 0;
  for (int i = 0; i < p.outputs; ++i) {
    p.output[i].first_tile = p.tiles_n;
    p.tiles_n += (p.output[i].width + edge_n - 1) / edge_n;
  }
  return p.tiles_m * p.tiles_n;
}

size_t used_bytes(const Products& p, int edge_m) {
  int terms = 1;
  for (int i = 0; i < p.outputs; ++i) terms = std::max(terms, p.output[i].terms);
  return sizeof(uint16_t) * static_cast<size_t>(terms) * edge_m;
}

template <class Tile, class TX>
void launch_tensor(Launcher& l, Products& p) {
  const int64_t tiles = number_tiles(p, Tile::M, Tile::N);
  const size_t shared = static_cast<size_t>(Tile::kStages) * kStepK * (Tile::M * sizeof(TX) + Tile::N * sizeof(bf16)) + used_bytes(p, Tile::M);
  const auto run = [&](auto kernel) { l.launch(kernel, dim3(static_cast<unsigned>(tiles)), dim3(Tile::kThreads), shared, p, l.bad_index()); };
  if (!p.w_rows) run(tensor_kernel<Tile, TX, false, float>);
  else if (p.y_dtype == DType::BF16) run(tensor_kernel<Tile, TX, true, bf16>);
  else run(tensor_kernel<Tile, TX, true, float>);
}

template <class Tile>
void launch_float(Launcher& l, Products& p) {
  const int64_t tiles = number_tiles(p, Tile::M, Tile::N);
  const size_t shared = Tile::kStages * Tile::kStageFloats * sizeof(float) + used_bytes(p, Tile::M);
  l.launch(float_kernel<Tile>, dim3(static_cast<unsigned>(tiles)), dim3(Tile::kThreads), shared, p, l.bad_index());
}

}  // namespace

void products(Launcher& l, Products p) {
  if (!p.outputs) return;
  const bool large = number_tiles(p, 128, 128) >= kLargeTiles;
  if (p.w_dtype == DType::F32 && large) launch_float<LargeFloat>(l, p);
  else if (p.w_dtype == DType::F32) launch_float<SmallFloat>(l, p);
  else if (p.x_dtype == DType::F32) launch_tensor<Mixed, float>(l, p);
  else if (large) launch_tensor<Large, bf16>(l, p);
  else launch_tensor<Small, bf16>(l, p);
}

}  // namespace ht::cuda
