// Reference kernels that reduce to one number.
#include <cmath>

#include "core/ops.gen.h"

namespace ht {

void sum_ref(const Call& c) {
  const Tensor& x = c.in[op::sum::x];
  double total = 0;
  for (int64_t i = 0; i < x.size(); ++i) total += x.get(i);
  c.out[op::sum::o_y].set(0, total);
}

void global_norm_ref(const Call& c) {
  double squares = 0;
  for (int i = 0; i < c.attr[op::global_norm::a_n].i; ++i) {
    const Tensor& x = op::global_norm::in(c, op::global_norm::x, i);
    for (int64_t j = 0; j < x.size(); ++j) squares += x.get(j) * x.get(j);
  }
  c.out[op::global_norm::o_y].set(0, std::sqrt(squares));
}

}  // namespace ht
