// Reference kernel that adds one key or value row per sequence to a cache.
#include "core/ops.gen.h"
#include "ops/index.h"

namespace ht {

void kv_append_ref(const Call& c) {
  using Op = op::kv_append;
  Tensor cache = c.in[Op::cache];
  const Tensor &x = c.in[Op::x], &length = c.in[Op::length];
  const int64_t cache_len = c.attr[Op::a_cache_len].i, width = x.dim[1];
  for (int64_t r = 0; r < x.dim[0]; ++r) {
    const int64_t position = checked_index(length.i32()[r], 0, cache_len + 1, c.flags) - 1;
    if (position < 0) continue;
    if ((r + 1) * cache_len > cache.dim[0]) {  // more rows than the cache was made for
      flag_bad_index(c.flags);
      return;
    }
    for (int64_t j = 0; j < width; ++j) cache.set((r * cache_len + position) * width + j, x.get(r * width + j));
  }
}

}  // namespace ht
