// Reference kernel of dropout.
#include "ops/dropout.h"

#include "core/ops.gen.h"

namespace ht {

void dropout_ref(const Call& c) {
  const Tensor& x = c.in[op::dropout::x];
  Tensor& y = c.out[op::dropout::o_y];
  const DropoutMask mask(c.in[op::dropout::key].i32(), static_cast<float>(c.in[op::dropout::rate].get(0)),
                         c.attr[op::dropout::a_stream].i);
  for (int64_t i = 0; i < y.size(); ++i) {
    const bool keep = mask.bits(i / 4).word[i % 4] >= mask.drop_below;
    y.set(i, keep ? x.get(i) * mask.scale : 0.0);
  }
}

}  // namespace ht
