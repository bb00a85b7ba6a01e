// One query per row against a key/value cache on the device. Formulas: prefix_attention_ref.cc; kernels and their reasons:
// prefix_attention_single.cuh.
#include "ops/prefix_attention_single.cuh"

namespace ht::cuda {

void prefix_attention_decode_cuda(const Call& c, Launcher& l) {
  using Op = op::prefix_attention_decode;
  const Tensor &k = c.in[Op::k], &v = c.in[Op::v], &ancestors = c.in[Op::ancestors];
  const int cache_len = c.attr[Op::a_cache_len].i;
  const CachedKeys source{shared_view(c, l, false, cache_len, Op{}), data<const int32_t>(c.in[Op::length]), ancestors ? data<const int32_t>(ancestors) : nullptr, cache_len,
                          static_cast<int>(k.dim[0] / cache_len)};
  single_attention(l, source, k.dtype, v.dtype, Rows::of(c.out[Op::o_o]), nullptr);
}

}  // namespace ht::cuda
