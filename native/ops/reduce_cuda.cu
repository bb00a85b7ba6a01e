// Sums of all elements on the device. Operands are cut into pieces of kPiece elements, whatever their number and sizes, and all of
// them are summed by one launch, a block per piece; a second launch of one block adds the pieces. Both orders depend on the sizes alone.
// Every element is read once, 128 bits per access; a thread adds at most kPiece / kThreads elements in fp32 before sums are paired.
#include <vector>

#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/block_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kThreads = 256, kTotalThreads = 1024;
constexpr int64_t kPiece = 16384;

struct Piece {
  uintptr_t address;  // a number: while sizes are measured there are none, and null must not be counted up
  int32_t count;
  int32_t is_bf16;
};

enum class Terms { Plain, Squares };

template <Terms T>
__device__ __forceinline__ float term(float x) {
  return T == Terms::Squares ? x * x : x;
}

template <Terms T, class X>
__device__ __forceinline__ float piece_sum(const X* x, int count) {
  constexpr int N = vector_width<X>();
  const int vectors = is_aligned<N>(x) ? count / N : 0;
  Floats<N> sums{};
#pragma unroll 4
  for (int i = threadIdx.x; i < vectors; i += kThreads) {
    const Floats<N> v = load_floats<N>(x + i * N);
    for (int k = 0; k < N; ++k) sums[k] += term<T>(v[k]);
  }
  float total = 0;
  for (int k = 0; k < N; ++k) total += sums[k];
  for (int i = vectors * N + threadIdx.x; i < count; i += kThreads) total += term<T>(to_float(x[i]));
  return total;
}

template <Terms T>
__global__ void __launch_bounds__(kThreads) pieces_kernel(const Piece* pieces, float* sums) {
  const Piece p = pieces[blockIdx.x];
  const float own = p.is_bf16 ? piece_sum<T>(reinterpret_cast<const bf16*>(p.address), p.count) : piece_sum<T>(reinterpret_cast<const float*>(p.address), p.count);
  const float total = block_total(own);
  if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

template <Terms T>
__global__ void __launch_bounds__(kTotalThreads) total_kernel(const float* sums, int64_t count, float* y) {
  float own = 0;
  for (int64_t i = threadIdx.x; i < count; i += kTotalThreads) own += sums[i];
  const float total = block_total(own);
  if (threadIdx.x == 0) *y = T == Terms::Squares ? sqrtf(total) : total;
}

void add_pieces(const Tensor& x, std::vector<Piece>& pieces) {
  for (int64_t at = 0; at < x.size(); at += kPiece)
    pieces.push_back({reinterpret_cast<uintptr_t>(x.data) + at * dtype_size(x.dtype), static_cast<int32_t>(std::min(kPiece, x.size() - at)), x.dtype == DType::BF16});
}

template <Terms T>
void reduce(Launcher& l, const std::vector<Piece>& pieces, const Tensor& y) {
  const auto count = static_cast<int64_t>(pieces.size());
  const Piece* const list = l.constant(pieces.data(), count);
  float* const sums = l.scratch<float>(count);
  l.launch(pieces_kernel<T>, dim3(static_cast<unsigned>(count)), dim3(kThreads), 0, list, sums);
  l.launch(total_kernel<T>, dim3(1), dim3(kTotalThreads), 0, sums, count, data<float>(y));
}

}  // namespace

void sum_cuda(const Call& c, Launcher& l) {
  std::vector<Piece> pieces;
  add_pieces(c.in[op::sum::x], pieces);
  reduce<Terms::Plain>(l, pieces, c.out[op::sum::o_y]);
}

void global_norm_cuda(const Call& c, Launcher& l) {
  using Op = op::global_norm;
  std::vector<Piece> pieces;
  for (int i = 0; i < c.attr[Op::a_n].i; ++i) add_pieces(Op::in(c, Op::x, i), pieces);
  reduce<Terms::Squares>(l, pieces, c.out[Op::o_y]);
}

}  // namespace ht::cuda
