// Fast kernels that move whole rows.
#include "core/ops.gen.h"
#include "ops/chunks.h"
#include "ops/convert.h"
#include "ops/index.h"

namespace ht {

void concat_rows_cpu(const Call& c) {
  const int n = c.attr[op::concat_rows::a_n].i;
  const int64_t block = op::concat_rows::in(c, op::concat_rows::x, 0).size();
  const int64_t pieces = (block + kChunk - 1) / kChunk;
  cpu::parallel(n * pieces, [&](int64_t tile, int) {
    const int i = static_cast<int>(tile / pieces);
    const int64_t begin = tile % pieces * kChunk;
    const Converter copy(op::concat_rows::in(c, op::concat_rows::x, i), c.out[op::concat_rows::o_y]);
    copy(begin, i * block + begin, std::min(kChunk, block - begin));
  });
}

void gather_rows_cpu(const Call& c) {
  const Tensor &x = c.in[op::gather_rows::x], &index = c.in[op::gather_rows::index];
  const int64_t width = x.dim[1];
  const Converter copy(x, c.out[op::gather_rows::o_y]);
  for_row_chunks(index.dim[0], width, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const int64_t row = checked_index(index.i32()[m], -1, x.dim[0], c.flags);
      if (row < 0) copy.zero(m * width, width);
      else copy(row * width, m * width, width);
    }
  });
}

}  // namespace ht
