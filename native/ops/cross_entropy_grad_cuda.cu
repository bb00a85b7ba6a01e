// The gradient of cross-entropy through the head on the device.
//
// Logits are computed again for a block of at most 4,096 tokens and a chunk of the vocabulary, 4 M of them; on their way out of the
// registers they become scale * g (onehot - softmax), and only that goes to scratch, where it stays in the L2 (8 MB of bf16) while two
// products read it: dx += dlogits W_chunk, dw_chunk += dlogits^T x. Three products in all, the least there are without keeping logits.
// dlogits are bf16 where x and W are, so that the products run on tensor cores at their full rate, else f32.
#include "core/ops_cuda.gen.h"
#include "cuda/gemm.h"
#include "cuda/launcher.h"
#include "ops/cross_entropy_tile_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int64_t kTokens = 4096;         // of a block
constexpr int64_t kLogits = 4 << 20;      // of a block and chunk
constexpr int64_t kWholeTiles = 128;      // columns of a chunk are a multiple of every tile

__device__ __forceinline__ void store_pair(float* to, float x, float y) { *reinterpret_cast<float2*>(to) = make_float2(x, y); }
__device__ __forceinline__ void store_pair(__nv_bfloat16* to, float x, float y) { *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(x, y); }

// dlogits[t - first_token, v - first_column], rows of `columns`, for tokens [first_token, p.tokens). Columns past the vocabulary hold anything.
template <class Head, class D>
__global__ void __launch_bounds__(Head::kThreads, Head::kBlocksPerSm) head_gradient_kernel(HeadProblem p, const int32_t* labels, const float* lse, const float* g, int64_t first_token,
                                                                                            int64_t first_column, int64_t columns, D* dlogits, int32_t* bad_index) {
  DYN_SHARED(char, shared);
  const int64_t t0 = first_token + int64_t{blockIdx.x} * Head::kTokens;
  Head head;
  for_each_head_tile(head, shared, p, t0, first_column + int64_t{blockIdx.y} * Head::kVocabulary, 1, [&](int64_t v0) {
#pragma unroll
    for (int r = 0; r < Head::kRows; ++r) {
      const int64_t t = t0 + Head::row(r);
      if (t >= p.tokens) continue;
      const int64_t label = checked_index(labels[t], -1, p.vocabulary, bad_index) - v0;
      const bool counts = label + v0 >= 0;
      const float factor = counts ? p.scale * g[t] : 0.0f, shift = lse[t];
      D* const row = dlogits + (t - first_token) * columns + (v0 - first_column);
      const auto gradient = [&](int column, float product) { return counts ? factor * ((column == label ? 1.0f : 0.0f) - __expf(p.scale * product - shift)) : 0.0f; };
#pragma unroll
      for (int c = 0; c < Head::kColumns; c += 2)
        store_pair(row + Head::column(c), gradient(Head::column(c), head.at(r, c)), gradient(Head::column(c + 1), head.at(r, c + 1)));
    }
  });
}

}  // namespace

void cross_entropy_grad_cuda(const Call& c, Launcher& l) {
  using Op = op::cross_entropy_grad;
  const Tensor &x = c.in[Op::x], &w = c.in[Op::w], &dx = c.out[Op::o_dx], &dw = c.out[Op::o_dw];
  const int64_t tokens = x.dim[0], vocabulary = w.dim[0], width = x.dim[1];
  const DType stored = x.dtype == DType::BF16 && w.dtype == DType::BF16 ? DType::BF16 : DType::F32;
  const int64_t size = static_cast<int64_t>(dtype_size(stored)), whole = (vocabulary + kWholeTiles - 1) / kWholeTiles * kWholeTiles, most = std::min(tokens, kTokens);
  const int64_t columns = std::min(whole, kLogits / std::max<int64_t>(1, most) / kWholeTiles * kWholeTiles);
  char* const dlogits = l.scratch<char>(std::min(most * whole, kLogits) * size);
  if (vocabulary == 0) l.fill_bytes(dx.data, 0, dx.bytes());
  if (dw && tokens == 0) l.fill_bytes(dw.data, 0, dw.bytes());

  const auto at = [](const Tensor& t, int64_t row) { return t.data ? static_cast<char*>(t.data) + row * t.dim[1] * static_cast<int64_t>(dtype_size(t.dtype)) : nullptr; };
  const size_t mark = l.scratch_mark();
  for (int64_t t0 = 0; t0 < tokens; t0 += kTokens) {
    const int64_t block = std::min(kTokens, tokens - t0);
    for (int64_t v0 = 0; v0 < vocabulary; v0 += columns) {
      const int64_t chunk = std::min(columns, vocabulary - v0);
      const HeadProblem p{x.data, w.data, t0 + block, vocabulary, width, c.attr[Op::a_scale].f};
      with_head(x, w, [&](auto head) {
        using Head = decltype(head);
        using D = typename Head::Gradient;
        l.launch(head_gradient_kernel<Head, D>, dim3(blocks_for(block, Head::kTokens), static_cast<unsigned>(vocabulary_tiles<Head>(chunk))), dim3(Head::kThreads), head_shared_bytes<Head>, p,
                 data<int32_t>(c.in[Op::labels]), data<float>(c.in[Op::lse]), data<float>(c.in[Op::g]), t0, v0, columns, reinterpret_cast<D*>(dlogits), l.bad_index());
      });
      l.reuse_scratch(mark);
      gemm(l, {block, width, chunk, {dlogits, stored, columns, 1}, {at(w, v0), w.dtype, width, 1}, at(dx, t0), DType::F32, width, 1.0f, v0 ? 1.0f : 0.0f});
      l.reuse_scratch(mark);
      if (dw) gemm(l, {chunk, width, block, {dlogits, stored, 1, columns}, {at(x, t0), x.dtype, width, 1}, at(dw, v0), DType::F32, width, 1.0f, t0 ? 1.0f : 0.0f});
    }
  }
}

}  // namespace ht::cuda
