// Kernels that write whole persistent buffers, on the device: one pass over memory, 128 bits per access (cuda/elements.cuh).
// Bytes moved: what is copied, read once and written once; 4 to 12 per element.
#include "core/ops_cuda.gen.h"
#include "cuda/elements.cuh"

namespace ht::cuda {
namespace {

template <class X>
struct Accumulate {
  static constexpr int kWidth = vector_width<X, float>();
  float* total;
  const X* x;
  __device__ bool aligned() const { return is_aligned<kWidth>(total) && is_aligned<kWidth>(x); }
  template <int N>
  __device__ void at(int64_t i) const {
    store_floats(total + i, map(load_floats<N>(total + i), load_floats<N>(x + i), [](float a, float b) { return a + b; }));
  }
};

template <class B, class X>
struct Assign {
  static constexpr int kWidth = vector_width<B, X>();
  B* buffer;
  const X* x;
  __device__ bool aligned() const { return is_aligned<kWidth>(buffer) && is_aligned<kWidth>(x); }
  template <int N>
  __device__ void at(int64_t i) const {
    store_floats(buffer + i, load_floats<N>(x + i));
  }
};

}  // namespace

void accumulate_cuda(const Call& c, Launcher& l) {
  const Tensor &buffer = c.in[op::accumulate::buffer], &x = c.in[op::accumulate::x];
  with_types([&](auto type) {
    using X = decltype(type);
    for_elements(l, buffer.size(), Accumulate<X>{data<float>(buffer), data<X>(x)});
  }, x);
}

void assign_cuda(const Call& c, Launcher& l) {
  const Tensor &buffer = c.in[op::assign::buffer], &x = c.in[op::assign::x];
  with_types([&](auto tb, auto tx) {
    using B = decltype(tb);
    using X = decltype(tx);
    for_elements(l, buffer.size(), Assign<B, X>{data<B>(buffer), data<X>(x)});
  }, buffer, x);
}

void zero_cuda(const Call& c, Launcher& l) {
  const Tensor& buffer = c.in[op::zero::buffer];
  l.fill_bytes(buffer.data, 0, buffer.bytes());  // 0 is all zero bits in every type
}

}  // namespace ht::cuda
