// The embedding look-up and its gradient on the device.
//
// Look-up: a warp per token, 8 elements per lane and step (16 or 32 bytes), so that a row of 512 takes two loads in flight per lane.
// Bytes moved: T d (read + write); the ids once per warp.
//
// Gradient: every row of the table is written once, its tokens added in order: (V + P) d + T d elements. Tokens are sorted by id
// first, stably, with a radix sort of 8 bits a pass over T pairs (two passes for a vocabulary of 32,128), which costs little beside
// writing the table:
//   digit_count    blocks count the digits of their own tokens: counts[block, digit], integers
//   digit_scatter  a block's offsets are sums over that table; within a block, rank = (digits equal and earlier), found warp by warp
//                  with ballots, so equal ids keep the order of their tokens
//   mark_runs      where each id's tokens begin and end in the sorted list
//   gather_rows    a warp sums 128 columns of one row; 4 rows of dy are in flight at a time
// No atomics on floats; the order of sums depends on the ids alone.
#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/vector_io_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kWarps = 8, kThreads = kWarps * kWarp;
constexpr int kStep = 8;  // elements per lane of a copied row

template <class Table, class Prompt, class Y>
__global__ void __launch_bounds__(kThreads) embedding_kernel(const Table* table, const Prompt* prompt, const int32_t* ids, Y* y, int64_t tokens, int64_t vocabulary, int64_t prompts, int64_t width,
                                                             int32_t* bad_index) {
  const int64_t t = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (t >= tokens) return;
  const int64_t id = checked_index(ids[t], 0, vocabulary + prompts, bad_index);
  const bool to_aligned = rows_aligned(y, width);
  const auto copy = [&](const auto* row, bool from_aligned) {
    for (int64_t j = threadIdx.x % kWarp * kStep; j < width; j += kWarp * kStep) {
      float v[kStep];
      load_group(row + j, id < 0 ? 0 : width - j, from_aligned, v);
      store_group(y + t * width + j, width - j, to_aligned, v);
    }
  };
  if (id < vocabulary) copy(table + (id < 0 ? 0 : id) * width, rows_aligned(table, width));
  else copy(prompt + (id - vocabulary) * width, rows_aligned(prompt, width));
}

// ---- sorting tokens by id

constexpr int kDigitBits = 8, kDigits = 1 << kDigitBits;
constexpr int kRounds = 8, kTile = kThreads * kRounds;  // tokens of a block
static_assert(kDigits == kThreads, "a thread per digit");

struct Token {
  int32_t id, at;
};

// The first pass reads the ids themselves.
__device__ __forceinline__ Token token_of(const Token* sorted, const int32_t* ids, int64_t t, int64_t rows, int32_t* bad_index) {
  if (sorted) return sorted[t];
  return {static_cast<int32_t>(checked_index(ids[t], 0, rows, bad_index)), static_cast<int32_t>(t)};
}

__global__ void __launch_bounds__(kThreads) digit_count_kernel(const Token* from, const int32_t* ids, int64_t tokens, int64_t rows, int shift, int32_t* counts, int32_t* bad_index) {
  SHARED(int32_t, count, [kDigits]);
  count[threadIdx.x] = 0;
  __syncthreads();
  const int64_t begin = int64_t{blockIdx.x} * kTile;
  for (int64_t t = begin + threadIdx.x; t < begin + kTile && t < tokens; t += kThreads)
    atomicAdd(&count[token_of(from, ids, t, rows, bad_index).id >> shift & (kDigits - 1)], 1);
  __syncthreads();
  counts[int64_t{blockIdx.x} * kDigits + threadIdx.x] = count[threadIdx.x];
}

__global__ void __launch_bounds__(kThreads) digit_scatter_kernel(const Token* from, const int32_t* ids, int64_t tokens, int64_t rows, int shift, const int32_t* counts, Token* to, int32_t* bad_index) {
  SHARED(int32_t, next, [kWarps][kDigits]);  // where the next token of that digit goes, per warp
  SHARED(int32_t, warp_total, [kWarps]);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t begin = int64_t{blockIdx.x} * kTile + int64_t{warp} * kWarp * kRounds;  // a warp's tokens are consecutive

  // A thread per digit: tokens of this digit in all blocks and in the ones before.
  int32_t total = 0, before = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) {
    const int32_t n = counts[int64_t{b} * kDigits + threadIdx.x];
    total += n;
    if (b < blockIdx.x) before += n;
  }
  int32_t upto = total;  // inclusive over the digits of this warp
  for (int o = 1; o < kWarp; o *= 2) {
    const int32_t other = __shfl_up_sync(kAllLanes, upto, o);
    if (lane >= o) upto += other;
  }
  if (lane == kWarp - 1) warp_total[warp] = upto;
  for (int w = 0; w < kWarps; ++w) next[w][threadIdx.x] = 0;
  __syncthreads();
  int32_t offset = upto - total + before;
  for (int w = 0; w < warp; ++w) offset += warp_total[w];

  // Counts per warp become offsets per warp.
  for (int round = 0; round < kRounds; ++round) {
    const int64_t t = begin + round * kWarp + lane;
    if (t < tokens) atomicAdd(&next[warp][token_of(from, ids, t, rows, bad_index).id >> shift & (kDigits - 1)], 1);
  }
  __syncthreads();
  for (int w = 0; w < kWarps; ++w) {
    const int32_t n = next[w][threadIdx.x];
    next[w][threadIdx.x] = offset;
    offset += n;
  }
  __syncthreads();

  for (int round = 0; round < kRounds; ++round) {
    const int64_t t = begin + round * kWarp + lane;
    const bool real = t < tokens;
    const Token token = real ? token_of(from, ids, t, rows, bad_index) : Token{0, 0};
    const int digit = token.id >> shift & (kDigits - 1);
    unsigned equal = __ballot_sync(kAllLanes, real);
    for (int bit = 0; bit < kDigitBits; ++bit) {
      const unsigned set = __ballot_sync(kAllLanes, digit >> bit & 1);
      equal &= digit >> bit & 1 ? set : ~set;
    }
    const int earlier = __popc(equal & ((1u << lane) - 1));
    const int32_t at = next[warp][digit];
    __syncwarp();
    if (real) {
      to[at + earlier] = token;
      if (earlier == 0) next[warp][digit] = at + __popc(equal);
    }
    __syncwarp();
  }
}

// runs[id] = {begin, end} in the sorted list; ids without a token keep {0, 0}.
__global__ void __launch_bounds__(kThreads) mark_runs_kernel(const Token* sorted, int64_t tokens, int32_t* runs) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= tokens) return;
  const int64_t id = sorted[i].id;
  if (i == 0 || sorted[i - 1].id != id) runs[2 * id] = static_cast<int32_t>(i);
  if (i + 1 == tokens || sorted[i + 1].id != id) runs[2 * id + 1] = static_cast<int32_t>(i + 1);
}

constexpr int kColumns = 4, kSlice = kWarp * kColumns;  // columns of a lane, of a warp
constexpr int kInFlight = 4;                            // rows of dy

// A warp per row and slice.
template <class Dy>
__global__ void __launch_bounds__(kThreads) gather_rows_kernel(const Token* sorted, const int32_t* runs, const Dy* dy, float* dtable, float* dprompt, int64_t first, int64_t rows, int64_t vocabulary,
                                                               int64_t width) {
  const int64_t id = first + int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  const int64_t j = int64_t{blockIdx.y} * kSlice + threadIdx.x % kWarp * kColumns;
  if (id >= rows || j >= width) return;
  const bool aligned = rows_aligned(dy, width);
  int32_t i = runs[2 * id];
  const int32_t end = runs[2 * id + 1];
  float sum[kColumns] = {};
  for (; i + kInFlight <= end; i += kInFlight) {
    float v[kInFlight][kColumns];
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) load_group(dy + int64_t{sorted[i + k].at} * width + j, width - j, aligned, v[k]);
#pragma unroll
    for (int k = 0; k < kInFlight; ++k)
#pragma unroll
      for (int c = 0; c < kColumns; ++c) sum[c] += v[k][c];
  }
  for (; i < end; ++i) {
    float v[kColumns];
    load_group(dy + int64_t{sorted[i].at} * width + j, width - j, aligned, v);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) sum[c] += v[c];
  }
  float* const out = id < vocabulary ? dtable : dprompt;
  store_group(out + (id < vocabulary ? id : id - vocabulary) * width + j, width - j, rows_aligned(out, width), sum);
}

__global__ void __launch_bounds__(kThreads) flag_ids_kernel(int32_t* bad_index) { checked_index(0, 0, 0, bad_index); }

}  // namespace

void embedding_cuda(const Call& c, Launcher& l) {
  using Op = op::embedding;
  const Tensor &table = c.in[Op::table], &prompt = c.in[Op::prompt], &ids = c.in[Op::ids], &y = c.out[Op::o_y];
  const int64_t tokens = ids.dim[0], prompts = prompt ? prompt.dim[0] : 0;
  with_types([&](auto table_type, auto prompt_type, auto y_type) {
    using Table = decltype(table_type);
    using Prompt = decltype(prompt_type);
    using Y = decltype(y_type);
    l.launch(embedding_kernel<Table, Prompt, Y>, dim3(blocks_for(tokens, kWarps)), dim3(kThreads), 0, data<Table>(table), data<Prompt>(prompt), data<int32_t>(ids), data<Y>(y), tokens, table.dim[0],
             prompts, table.dim[1], l.bad_index());
  }, table, prompt, y);
}

void embedding_grad_cuda(const Call& c, Launcher& l) {
  using Op = op::embedding_grad;
  const Tensor &ids = c.in[Op::ids], &dy = c.in[Op::dy], &dtable = c.out[Op::o_dtable], &dprompt = c.out[Op::o_dprompt];
  const int64_t vocabulary = c.in[Op::table].dim[0], width = c.in[Op::table].dim[1], tokens = ids.dim[0];
  const int64_t rows = vocabulary + (dprompt ? dprompt.dim[0] : 0), first = dtable ? 0 : vocabulary;  // a frozen table costs nothing
  int32_t* const runs = l.scratch<int32_t>(2 * rows);
  int32_t* const counts = l.scratch<int32_t>((tokens + kTile - 1) / kTile * kDigits);
  Token* const lists[2] = {l.scratch<Token>(tokens), l.scratch<Token>(tokens)};
  if (rows == 0) {
    if (tokens) l.launch(flag_ids_kernel, dim3(1), dim3(1), 0, l.bad_index());
    return;
  }
  const dim3 blocks(blocks_for(tokens, kTile));
  const Token* sorted = nullptr;
  for (int pass = 0; pass == 0 || (rows - 1) >> (pass * kDigitBits); ++pass) {
    Token* const to = lists[pass % 2];
    l.launch(digit_count_kernel, blocks, dim3(kThreads), 0, sorted, data<int32_t>(ids), tokens, rows, pass * kDigitBits, counts, l.bad_index());
    l.launch(digit_scatter_kernel, blocks, dim3(kThreads), 0, sorted, data<int32_t>(ids), tokens, rows, pass * kDigitBits, counts, to, l.bad_index());
    sorted = to;
  }
  l.fill_bytes(runs, 0, static_cast<size_t>(2 * rows) * sizeof(int32_t));
  l.launch(mark_runs_kernel, dim3(blocks_for(tokens, kThreads)), dim3(kThreads), 0, sorted, tokens, runs);
  with_types([&](auto type) {
    using Dy = decltype(type);
    l.launch(gather_rows_kernel<Dy>, dim3(blocks_for(rows - first, kWarps), blocks_for(width, kSlice)), dim3(kThreads), 0, sorted, runs, data<Dy>(dy), data<float>(dtable), data<float>(dprompt), first, rows,
             vocabulary, width);
  }, dy);
}

}  // namespace ht::cuda
