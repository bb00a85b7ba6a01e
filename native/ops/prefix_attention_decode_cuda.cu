// One query per row against a key/value cache on the device. Formulas: prefix_attention_ref.cc; kernels and their reasons:
// prefix_attention_single.cuh.
#include "cuda/fuse.h"
#include "ops/prefix_attention_single.cuh"

namespace ht::cuda {

namespace {

CachedKeys cached_keys(const Call& c, Launcher& l) {
  using Op = op::prefix_attention_decode;
  const Tensor &k = c.in[Op::k], &ancestors = c.in[Op::ancestors];
  const int cache_len = c.attr[Op::a_cache_len].i;
  return {shared_view(c, l, false, cache_len, Op{}), data<const int32_t>(c.in[Op::length]), ancestors ? data<const int32_t>(ancestors) : nullptr, cache_len,
          static_cast<int>(k.dim[0] / cache_len)};
}

template <class Keys>
void decode(const Call& c, Launcher& l, const Keys& source) {
  using Op = op::prefix_attention_decode;
  single_attention(l, source, c.in[Op::k].dtype, c.in[Op::v].dtype, Rows::of(c.out[Op::o_o]), nullptr);
}

}  // namespace

void prefix_attention_decode_cuda(const Call& c, Launcher& l) { decode(c, l, cached_keys(c, l)); }

// kv_append of k, of v, and the attention.
bool fits_appended_attention(const HtNode* nodes) {
  using Append = op::kv_append;
  using Op = op::prefix_attention_decode;
  const HtNode& attention = nodes[2];
  const Tensor& q = attention.call.in[Op::q];
  for (const HtNode* append : {nodes, nodes + 1})
    if (append->in_value[Append::length] != attention.in_value[Op::length] || append->call.attr[Append::a_cache_len].i != attention.call.attr[Op::a_cache_len].i ||
        append->call.in[Append::x].dim[0] != q.dim[0])
      return false;
  return attention.call.in[Op::k].dtype == attention.call.in[Op::v].dtype && q.dim[1] % attention.call.attr[Op::a_heads].i == 0;
}

void launch_appended_attention(const HtNode* nodes, Launcher& l) {
  using Append = op::kv_append;
  const Call& c = nodes[2].call;
  decode(c, l, AppendedKeys{cached_keys(c, l), Rows::of(nodes[0].call.in[Append::x]), Rows::of(nodes[1].call.in[Append::x])});
}

}  // namespace ht::cuda
