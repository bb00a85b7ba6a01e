// Fast kernel that adds one key or value row per sequence to a cache.
#include "core/ops.gen.h"
#include "ops/chunks.h"
#include "ops/convert.h"
#include "ops/index.h"

namespace ht {

void kv_append_cpu(const Call& c) {
  using Op = op::kv_append;
  const Tensor &cache = c.in[Op::cache], &x = c.in[Op::x], &length = c.in[Op::length];
  const int64_t cache_len = c.attr[Op::a_cache_len].i, width = x.dim[1];
  const int64_t rows = std::min(x.dim[0], cache.dim[0] / cache_len);
  const Converter copy(x, cache);
  for_row_chunks(rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t position = checked_index(length.i32()[r], 0, cache_len + 1, c.flags) - 1;
      if (position >= 0) copy(r * width, (r * cache_len + position) * width, width);
    }
  });
  for (int64_t r = rows; r < x.dim[0]; ++r)
    if (length.i32()[r] != 0) flag_bad_index(c.flags);  // more rows than the cache was made for
}

}  // namespace ht
