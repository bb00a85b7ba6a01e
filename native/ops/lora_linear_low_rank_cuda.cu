// Coefficients of low-rank terms: c[t, j] = scale[slot] * mid[row, j] * (inner[rank row j of the slot] . x[t]).
//
// Two kernels. Long rows: tensor cores, 32 tokens x 32 ranks per block, run by run of tokens with one slot; x is read once per 32 ranks
// (the terms of one x are put side by side), a page once per block. f32 operands are multiplied in two bf16 parts. Short rows (decoding,
// a slot per token): FFMA, one warp per token and four ranks, every page row read once per token at 128 bits.
// Bytes moved: T in of x, T width of coefficients, and the pages of each run.
#include "ops/lora_linear_low_rank_cuda.cuh"

#include "cuda/gemm_mma.cuh"

namespace ht::cuda {
namespace {

constexpr int64_t kLongRow = 8;  // tokens per row, on average, from which tiles pay

constexpr int kMapTokens = 256;

__global__ void __launch_bounds__(kMapTokens) token_map_kernel(const int32_t* offsets, int64_t rows, const int32_t* slots, int64_t slot_count, int64_t tokens, int32_t* slot_of,
                                                               int32_t* row_of, int32_t* bad_index) {
  SHARED(int32_t, row, [kMapTokens]);
  const int64_t first = int64_t{blockIdx.x} * kMapTokens;
  row[threadIdx.x] = -1;
  __syncthreads();
  for (int64_t r = threadIdx.x; r < rows; r += kMapTokens) {
    if (blockIdx.x == 0 && slots) checked_index(slots[r], 0, slot_count, bad_index);  // rows without tokens count too
    int64_t begin = offsets[r] - first, end = offsets[r + 1] - first;
    if (begin < 0) begin = 0;
    if (end > kMapTokens) end = kMapTokens;
    for (int64_t t = begin; t < end; ++t) row[t] = static_cast<int32_t>(r);
  }
  __syncthreads();
  const int64_t t = first + threadIdx.x;
  if (t >= tokens) return;
  const int32_t r = row[threadIdx.x];
  if (row_of) row_of[t] = r < 0 ? 0 : r;
  if (slot_of) slot_of[t] = r < 0 ? -1 : static_cast<int32_t>(checked_index(slots[r], 0, slot_count, bad_index));
}

struct Shrink {
  int terms;
  LowRankTerm term[kMaxWeights];
  int first_group[kMaxWeights + 1];
  int bundles, first_term[kMaxWeights + 1];  // terms of one bundle share x
  TokenMap map;
  int64_t tokens;
  bool parts;
};

__device__ __forceinline__ int term_of(const Shrink& s, int group) {
  int i = 0;
  while (i + 1 < s.terms && group >= s.first_group[i + 1]) ++i;
  return i;
}

__device__ __forceinline__ void put(const Shrink& s, const LowRankTerm& term, int64_t t, int32_t slot, int rank, float v) {
  const int width = term.pages.width();
  if (rank < width && slot >= 0) v *= term.scale[slot] * (term.mid ? term.mid[s.map.row(t) * width + rank] : 1.0f);
  else v = 0;
  if (s.parts) {
    __nv_bfloat16* const c = static_cast<__nv_bfloat16*>(term.coefficients) + (t * term.pages.groups() + rank / kRankGroup) * 2 * kRankGroup + rank % kRankGroup;
    const __nv_bfloat16 hi = __float2bfloat16(v);
    c[0] = hi;
    c[kRankGroup] = __float2bfloat16(v - __bfloat162float(hi));
  } else if (rank < width) {
    static_cast<float*>(term.coefficients)[t * width + rank] = v;
  }
}

using Tile = MmaTile<32, 32>;

template <class TX, class TI>
__global__ void __launch_bounds__(Tile::kThreads) tile_coefficients_kernel(Shrink s, int32_t* bad_index) {
  using A = OperandTile<TX, Tile::M, true, Tile::kThreads>;
  using B = OperandTile<TI, Tile::N, true, Tile::kThreads>;
  constexpr int kGroups = Tile::N / kRankGroup;
  static_assert(kGroups == 2, "two groups side by side");
  SHARED(Runs<Tile::M>, run_memory, [1]);
  SHARED(int64_t, rank_rows, [Tile::N]);
  SHARED(char, memory, [Tile::kStages * (A::kBytes + B::kBytes)]);
  Runs<Tile::M>& runs = run_memory[0];
  const auto left = [&](int buffer) { return reinterpret_cast<TX*>(memory + buffer * (A::kBytes + B::kBytes)); };
  const auto right = [&](int buffer) { return reinterpret_cast<TI*>(memory + buffer * (A::kBytes + B::kBytes) + A::kBytes); };

  const int64_t first = int64_t{blockIdx.x} * Tile::M;
  const int term0 = s.first_term[blockIdx.y], term1 = s.first_term[blockIdx.y + 1];
  const TX* const x = static_cast<const TX*>(s.term[term0].x);
  const int64_t in = s.term[term0].in;
  const bool x_wide = wide(x, in);
  runs.find(s.map, first, s.tokens, bad_index);
  for (int run = 0; run < runs.count; ++run) {
    const int32_t slot = runs.slot[run];
    for (int group = s.first_group[term0]; group < s.first_group[term1]; group += kGroups) {
      bool any = false;
      if (threadIdx.x < Tile::N) {
        const int g = group + threadIdx.x / kRankGroup, i = term_of(s, g);
        int64_t row = -1;
        if (g < s.first_group[term1]) row = s.term[i].pages.rank_row(slot, (g - s.first_group[i]) * kRankGroup + threadIdx.x % kRankGroup, bad_index);
        rank_rows[threadIdx.x] = row;
        any = row >= 0;
      }
      any = __syncthreads_or(any);  // also: the last pass has read its buffers
      typename Tile::Accumulators acc;
      Tile::clear(acc);
      const TI* const inner0 = static_cast<const TI*>(s.term[term_of(s, group)].inner);
      const TI* const inner1 = static_cast<const TI*>(s.term[term_of(s, group + 1)].inner);
      const bool inner_wide = wide(inner0, in) && wide(inner1, in);
      pipeline<Tile::kStages>(
          any ? (in + kStepK - 1) / kStepK : 0,
          [&](int64_t step, int buffer) {
            const int64_t k = step * kStepK;
            if (x_wide) A::template stage<true>(left(buffer), x, in, first, s.tokens, k, in);
            else A::template stage<false>(left(buffer), x, in, first, s.tokens, k, in);
            const auto row_at = [&](int row) { return rank_rows[row] < 0 ? nullptr : (row < kRankGroup ? inner0 : inner1) + rank_rows[row] * in + k; };
            if (inner_wide) B::template stage_rows<true>(right(buffer), inner0, row_at, in - k);
            else B::template stage_rows<false>(right(buffer), inner0, row_at, in - k);
          },
          [&](int64_t, int buffer) { Tile::multiply<A, B>(left(buffer), right(buffer), acc); });
      const int begin = runs.begin[run], end = runs.begin[run + 1];
      Tile::each_pair(acc, [&](int i, int j, float v, float w) {
        const int g = group + j / kRankGroup, rank = j % kRankGroup;
        if (i < begin || i >= end || g >= s.first_group[term1]) return;
        const int n = term_of(s, g);
        put(s, s.term[n], first + i, slot, (g - s.first_group[n]) * kRankGroup + rank, v);
        put(s, s.term[n], first + i, slot, (g - s.first_group[n]) * kRankGroup + rank + 1, w);
      });
    }
  }
}

// Eight neighbours as floats, from an address that is a multiple of 16 bytes.
__device__ __forceinline__ void load8(const float* p, float (&v)[8]) {
  const float4 a = *reinterpret_cast<const float4*>(p), b = *reinterpret_cast<const float4*>(p + 4);
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
__device__ __forceinline__ void load8(const __nv_bfloat16* p, float (&v)[8]) {
  const uint4 raw = *reinterpret_cast<const uint4*>(p);
  const uint32_t pair[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = pair[i] << 16, high = pair[i] & 0xffff0000u;
    memcpy(&v[2 * i], &low, 4);
    memcpy(&v[2 * i + 1], &high, 4);
  }
}

constexpr int kRanksPerWarp = 4, kTokenThreads = kRankGroup / kRanksPerWarp * kWarp;

template <class TX, class TI, class Source>
__global__ void __launch_bounds__(kTokenThreads, 4) token_coefficients_kernel(Shrink s, Source source, int32_t* bad_index) {
  const int groups = s.first_group[s.terms];
  const int64_t t = blockIdx.x / groups;
  const int group = blockIdx.x % groups, lane = threadIdx.x % kWarp;
  const int i = term_of(s, group);
  const LowRankTerm& term = s.term[i];
  const int rank0 = (group - s.first_group[i]) * kRankGroup + static_cast<int>(threadIdx.x) / kWarp * kRanksPerWarp;
  const int32_t slot = s.map.slot(t, bad_index);
  const TX* const x = static_cast<const TX*>(term.x) + t * term.in;
  const TI* const inner = static_cast<const TI*>(term.inner);
  const TI* row[kRanksPerWarp];
#pragma unroll
  for (int r = 0; r < kRanksPerWarp; ++r) {
    const int64_t at = term.pages.rank_row(slot, rank0 + r, bad_index);
    row[r] = at < 0 ? nullptr : inner + at * term.in;
  }
  bool x_aligned = false;
  float inverse = 1;
  if constexpr (Source::kComputed) x_aligned = source.aligned();
  if constexpr (std::is_same_v<Source, NormedTokens>) inverse = source.inverse(t, false);
  // N elements of the token, as the op before stores them.
  const auto computed = [&](int64_t k, auto& v) {
    if constexpr (Source::kComputed) source.load(t, inverse, k, term.in - k, x_aligned, v);
    for (auto& e : v) e = rounded<TX>(e);
  };
  float sum[kRanksPerWarp] = {};
  if (wide(static_cast<const TX*>(term.x), term.in) && wide(inner, term.in) && term.in % 8 == 0) {
    constexpr int kUnrolled = Source::kComputed ? 1 : 2;
#pragma unroll kUnrolled
    for (int64_t k = lane * 8; k < term.in; k += kWarp * 8) {
      float left[8], right[kRanksPerWarp][8];
      if constexpr (Source::kComputed) computed(k, left);
      else load8(x + k, left);
#pragma unroll
      for (int r = 0; r < kRanksPerWarp; ++r)
        if (row[r]) load8(row[r] + k, right[r]);
#pragma unroll
      for (int r = 0; r < kRanksPerWarp; ++r)
        if (row[r])
          for (int e = 0; e < 8; ++e) sum[r] += left[e] * right[r][e];
    }
  } else {
    for (int64_t k = lane; k < term.in; k += kWarp) {
      float left[1];
      if constexpr (Source::kComputed) computed(k, left);
      else left[0] = to_float(x[k]);
#pragma unroll
      for (int r = 0; r < kRanksPerWarp; ++r)
        if (row[r]) sum[r] += left[0] * to_float(row[r][k]);
    }
  }
#pragma unroll
  for (int r = 0; r < kRanksPerWarp; ++r) {
    sum[r] = warp_sum(sum[r]);
    if (lane == r) put(s, term, t, slot, rank0 + r, sum[r]);
  }
}

}  // namespace

TokenMap token_map(Launcher& l, const Tensor& offsets, const Tensor& slots, int64_t slot_count, int64_t tokens, bool rows) {
  TokenMap map;
  map.slots = slots ? data<const int32_t>(slots) : nullptr;
  map.slot_count = slot_count;
  if (!offsets) return map;
  int32_t* const slot_of = slots ? l.scratch<int32_t>(tokens) : nullptr;
  int32_t* const row_of = rows ? l.scratch<int32_t>(tokens) : nullptr;
  const unsigned blocks = std::max(1u, blocks_for(tokens, kMapTokens));
  l.launch(token_map_kernel, dim3(blocks), dim3(kMapTokens), 0, data<const int32_t>(offsets), offsets.dim[0] - 1, map.slots, slot_count, tokens, slot_of, row_of, l.bad_index());
  map.slot_of = slot_of;
  map.row_of = row_of;
  return map;
}

void* coefficient_memory(Launcher& l, const LowRankTerm& term, int64_t tokens, Coefficients form) {
  if (form == Coefficients::Parts) return l.scratch<bf16>(tokens * term.pages.groups() * 2 * kRankGroup);
  return l.scratch<float>(tokens * term.pages.width());
}

void low_rank_coefficients(Launcher& l, const LowRankTerm* terms, int count, const TokenMap& map, int64_t tokens, int64_t rows, Coefficients form,
                           const TokenSource& from) {
  const bool tiles = tokens >= rows * kLongRow;
  for (DType x : {DType::F32, DType::BF16})
    for (DType inner : {DType::F32, DType::BF16}) {
      Shrink s{};
      s.map = map;
      s.tokens = tokens;
      s.parts = form == Coefficients::Parts;
      for (int i = 0; i < count; ++i) {
        if (!terms[i].present || terms[i].x_dtype != x || terms[i].inner_dtype != inner || terms[i].pages.groups() == 0) continue;
        if (s.terms == 0 || s.term[s.terms - 1].x != terms[i].x || s.term[s.terms - 1].in != terms[i].in) s.first_term[s.bundles++] = s.terms;
        s.term[s.terms] = terms[i];
        s.first_group[s.terms + 1] = s.first_group[s.terms] + terms[i].pages.groups();
        ++s.terms;
      }
      if (!s.terms) continue;
      s.first_term[s.bundles] = s.terms;
      const auto run = [&](auto tx, auto ti) {
        using TX = decltype(tx);
        using TI = decltype(ti);
        if (tiles) l.launch(tile_coefficients_kernel<TX, TI>, dim3(blocks_for(tokens, Tile::M), static_cast<unsigned>(s.bundles)), dim3(Tile::kThreads), 0, s, l.bad_index());
        else std::visit([&](const auto& source) {
          const dim3 grid(static_cast<unsigned>(tokens * s.first_group[s.terms]));
          l.launch(token_coefficients_kernel<TX, TI, std::decay_t<decltype(source)>>, grid, dim3(kTokenThreads), 0, s, source, l.bad_index());
        }, from);
      };
      if (x == DType::F32 && inner == DType::F32) run(float{}, float{});
      else if (x == DType::F32) run(float{}, bf16{});
      else if (inner == DType::F32) run(bf16{}, float{});
      else run(bf16{}, bf16{});
    }
}

}  // namespace ht::cuda
