// Reference kernels that move whole rows.
#include <vector>

#include "core/ops.gen.h"
#include "ops/index.h"

namespace ht {

void concat_rows_ref(const Call& c) {
  Tensor& y = c.out[op::concat_rows::o_y];
  const int n = c.attr[op::concat_rows::a_n].i;
  const int64_t block = op::concat_rows::in(c, op::concat_rows::x, 0).size();
  for (int i = 0; i < n; ++i) {
    const Tensor& x = op::concat_rows::in(c, op::concat_rows::x, i);
    for (int64_t j = 0; j < block; ++j) y.set(i * block + j, x.get(j));
  }
}

void gather_rows_ref(const Call& c) {
  const Tensor &x = c.in[op::gather_rows::x], &index = c.in[op::gather_rows::index];
  Tensor& y = c.out[op::gather_rows::o_y];
  const int64_t width = x.dim[1];
  for (int64_t m = 0; m < index.dim[0]; ++m) {
    const int64_t row = checked_index(index.i32()[m], -1, x.dim[0], c.flags);
    for (int64_t j = 0; j < width; ++j) y.set(m * width + j, row < 0 ? 0.0 : x.get(row * width + j));
  }
}

void scatter_add_rows_ref(const Call& c) {
  const Tensor &x = c.in[op::scatter_add_rows::x], &index = c.in[op::scatter_add_rows::index];
  Tensor& y = c.out[op::scatter_add_rows::o_y];
  const int64_t rows = y.dim[0], width = x.dim[1];
  std::vector<double> total(static_cast<size_t>(rows * width), 0.0);
  for (int64_t m = 0; m < index.dim[0]; ++m) {
    const int64_t row = checked_index(index.i32()[m], -1, rows, c.flags);
    if (row < 0) continue;
    for (int64_t j = 0; j < width; ++j) total[row * width + j] += x.get(m * width + j);
  }
  for (int64_t i = 0; i < rows * width; ++i) y.set(i, total[i]);
}

void write_rows_ref(const Call& c) {
  const Tensor &index = c.in[op::write_rows::index], &x = c.in[op::write_rows::x];
  Tensor buffer = c.in[op::write_rows::buffer];
  const int64_t width = x.dim[1];
  for (int64_t m = 0; m < index.dim[0]; ++m) {
    const int64_t row = checked_index(index.i32()[m], -1, buffer.dim[0], c.flags);
    if (row < 0) continue;
    for (int64_t j = 0; j < width; ++j) buffer.set(row * width + j, x.get(m * width + j));
  }
}

}  // namespace ht
