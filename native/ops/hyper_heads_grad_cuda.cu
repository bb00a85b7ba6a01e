// Gradients of the hypermodel's heads on the device. All heads are one launch per step:
//   dW2_i = output_scale dy_i^T t, db2_i = output_scale (sum of dy_i)   written once, at the bandwidth of memory; FFMA, k is the few tokens
//   dt = output_scale * sum of dy_i W2_i                                every W2_i read once: the rows of all heads are one long k, cut into
//                                                                       pieces whose partial sums are added in order, times 1 - t^2
//   du = dt W1, dW1 = dt^T u, db1 = sum of dt                           small
// The list of heads lies in device memory; a block finds its head there.
#include <vector>

#include "core/ops_cuda.gen.h"
#include "cuda/device.cuh"
#include "cuda/gemm.h"
#include "cuda/gemm_ffma.cuh"
#include "cuda/gemm_mma.cuh"
#include "cuda/launcher.h"
#include "cuda/types.h"

namespace ht::cuda {
namespace {

struct Head {
  const void *w2, *dy;
  float *dw2, *db2;
  int64_t rows, first_tile, first_step;
  bool dy_bf16;
};

struct Heads {
  const Head* list;
  int count;
  int64_t tokens, hidden;
  const float* t;
  float factor;
};

__device__ __forceinline__ float dy_at(const Head& h, int64_t i) {
  return h.dy_bf16 ? to_float(static_cast<const __nv_bfloat16*>(h.dy)[i]) : static_cast<const float*>(h.dy)[i];
}

// The last head whose first tile (or step) is not beyond `at`; by all threads.
template <class First>
__device__ __forceinline__ int head_of(const Heads& hs, int64_t at, int* found, const First& first) {
  for (int i = threadIdx.x; i < hs.count; i += blockDim.x)
    if (first(hs.list[i]) <= at && (i + 1 == hs.count || at < first(hs.list[i + 1]))) *found = i;
  __syncthreads();
  return *found;
}

using WeightTile = FfmaTile<128, 128>;

__global__ void __launch_bounds__(WeightTile::kThreads) weight_grad_kernel(Heads hs) {
  using Tile = WeightTile;
  SHARED(int, found, [1]);
  DYN_SHARED(float, shared);
  const Head& h = hs.list[head_of(hs, blockIdx.x, found, [](const Head& x) { return x.first_tile; })];
  const int64_t row0 = (blockIdx.x - h.first_tile) * Tile::M, column0 = int64_t{blockIdx.y} * Tile::N;
  const float* const dy = static_cast<const float*>(h.dy);
  const bool dy_wide = !h.dy_bf16 && wide(dy, h.rows), t_wide = wide(hs.t, hs.hidden);

  typename Tile::Accumulators acc;
  Tile::clear(acc);
  pipeline<Tile::kStages>(
      (hs.tokens + Tile::kStepK - 1) / Tile::kStepK,
      [&](int64_t step, int buffer) {
        float *const left = shared + buffer * Tile::kStageFloats, *const right = left + Tile::kFloatsA;
        const int64_t k = step * Tile::kStepK;
        if (h.dy_bf16) {
          for (int e = threadIdx.x; e < Tile::M * Tile::kStepK; e += Tile::kThreads) {
            const int64_t token = k + e / Tile::M, row = row0 + e % Tile::M;
            left[e / Tile::M * (Tile::M + Tile::kPad) + e % Tile::M] = token < hs.tokens && row < h.rows ? dy_at(h, token * h.rows + row) : 0.0f;
          }
        } else {
          Tile::template stage<Tile::M>(left, dy, 1, h.rows, dy_wide, row0, h.rows, k, hs.tokens);
        }
        Tile::template stage<Tile::N>(right, hs.t, 1, hs.hidden, t_wide, column0, hs.hidden, k, hs.tokens);
      },
      [&](int64_t, int buffer) { Tile::multiply(shared + buffer * Tile::kStageFloats, shared + buffer * Tile::kStageFloats + Tile::kFloatsA, acc); });
  Tile::each(acc, [&](int i, int j, float v) {
    if (row0 + i < h.rows && column0 + j < hs.hidden) h.dw2[(row0 + i) * hs.hidden + column0 + j] = hs.factor * v;
  });
  const int64_t row = row0 + threadIdx.x;
  if (blockIdx.y != 0 || threadIdx.x >= Tile::M || row >= h.rows) return;
  float sum = 0;
  for (int64_t n = 0; n < hs.tokens; ++n) sum += dy_at(h, n * h.rows + row);
  h.db2[row] = hs.factor * sum;
}

// partial[piece]: dy W2 over the steps of the piece, 64 tokens x 64 hidden columns per block. Steps run through the rows of all heads.
struct TrunkPieces {
  Heads heads;
  float* partial;  // [pieces, tokens, hidden]
  int64_t steps, steps_per_piece;
};

// The head and row of a step; a step never spans two heads.
struct StepWalk {
  int head;
  int64_t row;
  __device__ __forceinline__ void next(const Heads& hs, int step_k) {
    row += step_k;
    while (head + 1 < hs.count && row >= hs.list[head].rows) {
      ++head;
      row = 0;
    }
  }
};

__device__ __forceinline__ StepWalk walk_from(const Heads& hs, int64_t step, int step_k, int* found) {
  const int head = head_of(hs, step, found, [](const Head& x) { return x.first_step; });
  return {head, (step - hs.list[head].first_step) * step_k};
}

using TrunkTile = MmaTile<64, 64>;

__global__ void __launch_bounds__(TrunkTile::kThreads, 2) trunk_tensor_kernel(TrunkPieces p) {
  using Tile = TrunkTile;
  using A = OperandTile<float, Tile::M, true, Tile::kThreads>;
  using B = OperandTile<__nv_bfloat16, Tile::N, false, Tile::kThreads>;
  DYN_SHARED(char, shared);
  int* const found = reinterpret_cast<int*>(shared + Tile::kStages * (A::kBytes + B::kBytes));
  const Heads& hs = p.heads;
  const int64_t token0 = int64_t{blockIdx.z} * Tile::M, column0 = int64_t{blockIdx.x} * Tile::N;
  const int64_t step0 = blockIdx.y * p.steps_per_piece, step1 = step0 + p.steps_per_piece < p.steps ? step0 + p.steps_per_piece : p.steps;
  StepWalk at = walk_from(hs, step0, kStepK, found);
  const auto left = [&](int buffer) { return reinterpret_cast<float*>(shared + buffer * (A::kBytes + B::kBytes)); };
  const auto right = [&](int buffer) { return reinterpret_cast<__nv_bfloat16*>(shared + buffer * (A::kBytes + B::kBytes) + A::kBytes); };

  typename Tile::Accumulators acc;
  Tile::clear(acc);
  pipeline<Tile::kStages>(
      step1 - step0,
      [&](int64_t, int buffer) {
        const Head& h = hs.list[at.head];
        const float* const dy = static_cast<const float*>(h.dy);
        const __nv_bfloat16* const w2 = static_cast<const __nv_bfloat16*>(h.w2);
        if (h.dy_bf16) {
          for (int e = threadIdx.x; e < Tile::M * kStepK; e += Tile::kThreads) {
            const int64_t token = token0 + e / kStepK, row = at.row + e % kStepK;
            left(buffer)[A::at(e / kStepK, e % kStepK)] = token < hs.tokens && row < h.rows ? dy_at(h, token * h.rows + row) : 0.0f;
          }
        } else if (wide(dy, h.rows)) {
          A::template stage<true>(left(buffer), dy, h.rows, token0, hs.tokens, at.row, h.rows);
        } else {
          A::template stage<false>(left(buffer), dy, h.rows, token0, hs.tokens, at.row, h.rows);
        }
        if (wide(w2, hs.hidden)) B::template stage<true>(right(buffer), w2, hs.hidden, column0, hs.hidden, at.row, h.rows);
        else B::template stage<false>(right(buffer), w2, hs.hidden, column0, hs.hidden, at.row, h.rows);
        at.next(hs, kStepK);
      },
      [&](int64_t, int buffer) { Tile::template multiply<A, B>(left(buffer), right(buffer), acc); });
  Tile::each_pair(acc, [&](int i, int j, float v, float w) {
    if (token0 + i >= hs.tokens) return;
    float* const to = p.partial + (blockIdx.y * hs.tokens + token0 + i) * hs.hidden + column0 + j;
    if (column0 + j < hs.hidden) to[0] = v;
    if (column0 + j + 1 < hs.hidden) to[1] = w;
  });
}

using TrunkFloatTile = FfmaTile<64, 64>;

__global__ void __launch_bounds__(TrunkFloatTile::kThreads, 2) trunk_float_kernel(TrunkPieces p) {
  using Tile = TrunkFloatTile;
  SHARED(int, found, [1]);
  DYN_SHARED(float, shared);
  const Heads& hs = p.heads;
  const int64_t token0 = int64_t{blockIdx.z} * Tile::M, column0 = int64_t{blockIdx.x} * Tile::N;
  const int64_t step0 = blockIdx.y * p.steps_per_piece, step1 = step0 + p.steps_per_piece < p.steps ? step0 + p.steps_per_piece : p.steps;
  StepWalk at = walk_from(hs, step0, Tile::kStepK, found);

  typename Tile::Accumulators acc;
  Tile::clear(acc);
  pipeline<Tile::kStages>(
      step1 - step0,
      [&](int64_t, int buffer) {
        float *const left = shared + buffer * Tile::kStageFloats, *const right = left + Tile::kFloatsA;
        const Head& h = hs.list[at.head];
        const float *const dy = static_cast<const float*>(h.dy), *const w2 = static_cast<const float*>(h.w2);
        if (h.dy_bf16) {
          for (int e = threadIdx.x; e < Tile::M * Tile::kStepK; e += Tile::kThreads) {
            const int64_t token = token0 + e / Tile::kStepK, row = at.row + e % Tile::kStepK;
            left[e % Tile::kStepK * (Tile::M + Tile::kPad) + e / Tile::kStepK] = token < hs.tokens && row < h.rows ? dy_at(h, token * h.rows + row) : 0.0f;
          }
        } else {
          Tile::template stage<Tile::M>(left, dy, h.rows, 1, false, token0, hs.tokens, at.row, h.rows);
        }
        Tile::template stage<Tile::N>(right, w2, 1, hs.hidden, wide(w2, hs.hidden), column0, hs.hidden, at.row, h.rows);
        at.next(hs, Tile::kStepK);
      },
      [&](int64_t, int buffer) { Tile::multiply(shared + buffer * Tile::kStageFloats, shared + buffer * Tile::kStageFloats + Tile::kFloatsA, acc); });
  Tile::each(acc, [&](int i, int j, float v) {
    if (token0 + i < hs.tokens && column0 + j < hs.hidden) p.partial[(blockIdx.y * hs.tokens + token0 + i) * hs.hidden + column0 + j] = v;
  });
}

constexpr int kThreads = 256;

// dt before the tanh: the pieces of both kernels in order.
__global__ void __launch_bounds__(kThreads) trunk_total_kernel(const float* partial, int64_t pieces, const float* t, float factor, float* dt, int64_t size) {
  const int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (e >= size) return;
  float sum = 0;
  for (int64_t p = 0; p < pieces; ++p) sum += partial[p * size + e];
  dt[e] = factor * sum * (1 - t[e] * t[e]);
}

__global__ void __launch_bounds__(kThreads) column_sum_kernel(const float* x, float* sums, int64_t tokens, int64_t width) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (j >= width) return;
  float sum = 0;
  for (int64_t t = 0; t < tokens; ++t) sum += x[t * width + j];
  sums[j] = sum;
}

constexpr int64_t kPieces = 64, kStepsPerPiece = 8;  // most pieces, and the least that one does

struct Cut {
  int64_t steps = 0, per_piece = 1, pieces = 0;
};

Cut cut_of(std::vector<Head>& heads, int64_t step_k) {
  Cut cut;
  for (Head& h : heads) {
    h.first_step = cut.steps;
    cut.steps += (h.rows + step_k - 1) / step_k;
  }
  cut.per_piece = std::max(kStepsPerPiece, (cut.steps + kPieces - 1) / kPieces);
  cut.pieces = (cut.steps + cut.per_piece - 1) / cut.per_piece;
  return cut;
}

}  // namespace

void hyper_heads_grad_cuda(const Call& c, Launcher& l) {
  using Op = op::hyper_heads_grad;
  const Tensor &u = c.in[Op::u], &w1 = c.in[Op::w1], &t = c.in[Op::t];
  const int64_t tokens = t.dim[0], hidden = t.dim[1], d = u.dim[1], size = tokens * hidden;
  const float factor = c.attr[Op::a_output_scale].f;

  float* const partial = l.scratch<float>(2 * kPieces * size);
  int64_t pieces = 0;
  for (DType w_dtype : {DType::F32, DType::BF16}) {
    std::vector<Head> heads;
    int64_t tiles = 0;
    for (int i = 0; i < c.attr[Op::a_n].i; ++i) {
      const Tensor &w2 = Op::in(c, Op::w2, i), &dy = Op::in(c, Op::dy, i);
      if (w2.dtype != w_dtype) continue;
      heads.push_back({w2.data, dy.data, data<float>(Op::out(c, Op::o_dw2, i)), data<float>(Op::out(c, Op::o_db2, i)), w2.dim[0], tiles, 0, dy.dtype == DType::BF16});
      tiles += blocks_for(w2.dim[0], WeightTile::M);
    }
    if (heads.empty()) continue;
    const bool tensor = w_dtype == DType::BF16;
    const Cut cut = cut_of(heads, tensor ? kStepK : TrunkFloatTile::kStepK);
    const Heads hs{l.constant(heads.data(), static_cast<int64_t>(heads.size())), static_cast<int>(heads.size()), tokens, hidden, data<const float>(t), factor};
    l.launch(weight_grad_kernel, dim3(static_cast<unsigned>(tiles), std::max(1u, blocks_for(hidden, WeightTile::N))), dim3(WeightTile::kThreads),
             WeightTile::kStages * WeightTile::kStageFloats * sizeof(float), hs);
    const TrunkPieces p{hs, partial + pieces * size, cut.steps, cut.per_piece};
    const dim3 grid(blocks_for(hidden, 64), static_cast<unsigned>(cut.pieces), blocks_for(tokens, 64));
    if (tensor) l.launch(trunk_tensor_kernel, grid, dim3(TrunkTile::kThreads), TrunkTile::kStages * kStepK * 64 * (sizeof(float) + sizeof(bf16)) + sizeof(int), p);
    else l.launch(trunk_float_kernel, grid, dim3(TrunkFloatTile::kThreads), TrunkFloatTile::kStages * TrunkFloatTile::kStageFloats * sizeof(float), p);
    pieces += cut.pieces;
  }

  float* const dt = l.scratch<float>(size);
  l.launch(trunk_total_kernel, dim3(blocks_for(size, kThreads)), dim3(kThreads), 0, partial, pieces, data<const float>(t), factor, dt, size);
  gemm(l, {tokens, d, hidden, {dt, DType::F32, hidden, 1}, {w1.data, w1.dtype, d, 1}, c.out[Op::o_du].data, DType::F32, d});
  gemm(l, {hidden, d, tokens, {dt, DType::F32, 1, hidden}, {u.data, u.dtype, d, 1}, c.out[Op::o_dw1].data, DType::F32, d});
  l.launch(column_sum_kernel, dim3(blocks_for(hidden, kThreads)), dim3(kThreads), 0, dt, data<float>(c.out[Op::o_db1]), tokens, hidden);
}

}  // namespace ht::cuda
