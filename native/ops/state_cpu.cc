// Fast kernels that write whole persistent buffers.
#ifndef HT_ISA_PASS
#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#include "ops/convert.h"
#define HT_KERNELS "ops/state_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void accumulate_cpu(const Call& c) {
  Tensor buffer = c.in[op::accumulate::buffer];
  const Tensor& x = c.in[op::accumulate::x];
  with_type(x.dtype, [&](auto type) {
    using X = decltype(type);
    auto* kernel = HT_DISPATCH(accumulate<X>);
    for_chunks(buffer.size(), [&](int64_t i, int64_t n) { kernel(data_of<X>(x) + i, buffer.f32() + i, n); });
  });
}

void assign_cpu(const Call& c) {
  const Tensor &buffer = c.in[op::assign::buffer], &x = c.in[op::assign::x];
  const Converter copy(x, buffer);
  for_chunks(buffer.size(), [&](int64_t i, int64_t n) { copy(i, i, n); });
}

void zero_cpu(const Call& c) {
  const Tensor& buffer = c.in[op::zero::buffer];
  char* bytes = static_cast<char*>(buffer.data);
  const int64_t size = static_cast<int64_t>(dtype_size(buffer.dtype));
  for_chunks(buffer.size(), [&](int64_t i, int64_t n) { std::memset(bytes + i * size, 0, n * size); });
}

}  // namespace ht
#else
template <class X>
void accumulate(const X* x, float* total, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { (Vec::load(total + i, lanes) + Vec::load(x + i, lanes)).store(total + i, lanes); });
}
#endif
