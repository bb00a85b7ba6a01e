// Gradients of T5 attention over packed rows on the device, from o and lse. Formulas: prefix_attention_ref.cc.
//
// Two passes compute the probabilities again, so that every gradient has one owner and no sum needs an atomic: over tiles of
// queries (dq, the sums of ds for the biases, and delta = do . o, which the other pass reads) and over tiles of keys (dk, dv),
// the latter also for pages of the prefix bank. Seven products instead of the five of a single pass that adds to dq atomically.
// Bytes moved: q, k, v, do per tile of the other side (do of fp32 is copied in bf16 by the first pass, for the second to read by cp.async) (from L2 after the first), gradients once. Memory: O(S).
#include "ops/prefix_attention_ffma.cuh"
#include "ops/prefix_attention_key_grad.cuh"
#include "ops/prefix_attention_mma.cuh"
#include "ops/prefix_attention_query_grad.cuh"

namespace ht::cuda {
namespace {

using Op = op::prefix_attention_grad;

// Q, K: the products of the passes over queries and over keys.
template <class Q, class K>
void gradients(const Call& c, Launcher& l, const AttentionView& a, GradView g) {
  const Tensor &bias = c.in[Op::bias], &dbias = c.out[Op::o_dbias], &dprefix_bias = c.out[Op::o_dprefix_bias];
  const unsigned heads = static_cast<unsigned>(a.heads), chunks = blocks_for(a.head_dim, Q::kDim), tiles = row_tiles(a.query_tokens, a.rows, Q::kRows);
  const Tensor &dk = c.out[Op::o_dk], &dv = c.out[Op::o_dv], &dpk = c.out[Op::o_dpk], &dpv = c.out[Op::o_dpv];
  BiasSums sums{nullptr, nullptr, nullptr, 0, static_cast<int>(tiles)};
  if (dbias && bias) {
    sums.bucket_count = static_cast<int>(bias.dim[0]);
    sums.buckets = l.scratch<float>(int64_t{tiles} * a.heads * sums.bucket_count);
  }
  if (dprefix_bias && c.in[Op::prefix_bias]) {
    sums.prefix = l.scratch<float>(int64_t{tiles} * a.heads);
    sums.slots = l.scratch<int32_t>(tiles);
  }
  l.launch(query_gradient_kernel<Q>, dim3(tiles, heads, chunks), dim3(Q::kThreads), QueryGradShared<Q>::bytes(sums.bucket_count), a, g, sums, Rows::of(c.out[Op::o_dq]));
  if (g.d_copy) g.d_o = {g.d_copy, true};
  l.launch(key_gradient_kernel<K>, dim3(row_tiles(a.key_tokens, a.key_rows, K::kRows), heads, chunks), dim3(K::kThreads), KeyGradShared<K>::kBytes, a, g, Rows::of(dk), Rows::of(dv));
  if (dpk || dpv) {
    const unsigned page_tiles = static_cast<unsigned>(a.pages) * blocks_for(a.page_len, K::kRows);
    l.launch(page_gradient_kernel<K>, dim3(page_tiles, heads, chunks), dim3(K::kThreads), KeyGradShared<K>::kBytes, a, g, Rows::of(dpk), Rows::of(dpv));
  }
  const auto add_tiles = [&](const float* value, const int32_t* slots, const Tensor& out) {
    if (!value) return l.fill_bytes(out.data, 0, out.bytes());
    l.launch(add_tiles_kernel, dim3(blocks_for(out.size(), 4)), dim3(128), 0, value, slots, data<float>(out), static_cast<int>(tiles), static_cast<int>(out.dim[0]), a.heads);
  };
  if (dbias) add_tiles(sums.buckets, nullptr, dbias);
  if (dprefix_bias) add_tiles(sums.prefix, sums.slots, dprefix_bias);
}

}  // namespace

void prefix_attention_grad_cuda(const Call& c, Launcher& l) {
  const AttentionView a = packed_view(c, l, Op{});
  GradView g{Rows::of(c.in[Op::o]), Rows::of(c.in[Op::do_]), data<const float>(c.in[Op::lse]), l.scratch<float>(a.query_tokens * a.heads), nullptr};
  if (!uses_tensor_cores(c.in[Op::q], c.in[Op::k], c.in[Op::v], a.head_dim)) {
    if (a.head_dim <= 64) return gradients<FusedMultiplyAdd<64, 32>, FusedMultiplyAdd<64, 32>>(c, l, a, g);
    return gradients<FusedMultiplyAdd<128, 32>, FusedMultiplyAdd<128, 16>>(c, l, a, g);
  }
  if (!g.d_o.is_bf16) g.d_copy = l.scratch<bf16>(c.in[Op::q].size());
  if (a.head_dim <= 64) return gradients<TensorCores<64, 1, 32, 3>, TensorCores<64, 1, 32, 3>>(c, l, a, g);
  return gradients<TensorCores<128, 1, 32, 2>, TensorCores<128, 1, 16, 2>>(c, l, a, g);
}

}  // namespace ht::cuda
