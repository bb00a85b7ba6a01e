// Reference kernels that write whole persistent buffers.
#include <cstring>

#include "core/ops.gen.h"

namespace ht {

void accumulate_ref(const Call& c) {
  Tensor buffer = c.in[op::accumulate::buffer];
  const Tensor& x = c.in[op::accumulate::x];
  for (int64_t i = 0; i < buffer.size(); ++i) buffer.set(i, buffer.get(i) + x.get(i));
}

void assign_ref(const Call& c) {
  Tensor buffer = c.in[op::assign::buffer];
  const Tensor& x = c.in[op::assign::x];
  for (int64_t i = 0; i < buffer.size(); ++i) buffer.set(i, x.get(i));
}

void zero_ref(const Call& c) {
  const Tensor& buffer = c.in[op::zero::buffer];
  if (buffer.size()) std::memset(buffer.data, 0, buffer.bytes());  // 0 is all zero bits in every type
}

}  // namespace ht
