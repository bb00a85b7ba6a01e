// Kernels that treat every element alike, on the device. One pass over memory, 128 bits per access (cuda/elements.cuh); a cast
// moves 2 to 8 bytes per element, the sum or product of two tensors 6 to 12, fill and expand 4.
#include "core/ops_cuda.gen.h"
#include "cuda/elements.cuh"

namespace ht::cuda {
namespace {

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Product {
  __device__ float operator()(float a, float b) const { return a * b; }
};

// y = F(a, b).
template <class F, class A, class B, class Y>
struct Binary {
  static constexpr int kWidth = vector_width<A, B, Y>();
  const A* a;
  const B* b;
  Y* y;
  __device__ bool aligned() const { return is_aligned<kWidth>(a) && is_aligned<kWidth>(b) && is_aligned<kWidth>(y); }
  template <int N>
  __device__ void at(int64_t i) const {
    store_floats(y + i, map(load_floats<N>(a + i), load_floats<N>(b + i), F{}));
  }
};

// y = alpha * s[0] * x, one of the factors being absent or 1.
template <class X, class Y>
struct Scaled {
  static constexpr int kWidth = vector_width<X, Y>();
  const X* x;
  float alpha;
  const float* s;
  Y* y;
  __device__ bool aligned() const { return is_aligned<kWidth>(x) && is_aligned<kWidth>(y); }
  template <int N>
  __device__ void at(int64_t i) const {
    const float factor = s ? *s : alpha;
    store_floats(y + i, map(load_floats<N>(x + i), [=](float v) { return factor * v; }));
  }
};

template <class X, class Y>
struct Cast {
  static constexpr int kWidth = vector_width<X, Y>();
  const X* x;
  Y* y;
  __device__ bool aligned() const { return is_aligned<kWidth>(x) && is_aligned<kWidth>(y); }
  template <int N>
  __device__ void at(int64_t i) const {
    store_floats(y + i, load_floats<N>(x + i));
  }
};

// Every element is s[0], or value where there is no s.
struct Constant {
  static constexpr int kWidth = vector_width<float>();
  float value;
  const float* s;
  float* y;
  __device__ bool aligned() const { return is_aligned<kWidth>(y); }
  template <int N>
  __device__ void at(int64_t i) const {
    const float v = s ? *s : value;
    store_floats(y + i, map(Floats<N>{}, [=](float) { return v; }));
  }
};

template <class F>
void binary(Launcher& l, const Tensor& a, const Tensor& b, const Tensor& y) {
  with_types([&](auto ta, auto tb, auto ty) {
    using A = decltype(ta);
    using B = decltype(tb);
    using Y = decltype(ty);
    for_elements(l, y.size(), Binary<F, A, B, Y>{data<A>(a), data<B>(b), data<Y>(y)});
  }, a, b, y);
}

void scaled(Launcher& l, const Tensor& x, float alpha, const float* s, const Tensor& y) {
  with_types([&](auto tx, auto ty) {
    using X = decltype(tx);
    using Y = decltype(ty);
    for_elements(l, y.size(), Scaled<X, Y>{data<X>(x), alpha, s, data<Y>(y)});
  }, x, y);
}

}  // namespace

void add_cuda(const Call& c, Launcher& l) { binary<Sum>(l, c.in[op::add::a], c.in[op::add::b], c.out[op::add::o_y]); }

void mul_cuda(const Call& c, Launcher& l) { binary<Product>(l, c.in[op::mul::a], c.in[op::mul::b], c.out[op::mul::o_y]); }

void scale_cuda(const Call& c, Launcher& l) { scaled(l, c.in[op::scale::x], c.attr[op::scale::a_alpha].f, nullptr, c.out[op::scale::o_y]); }

void scale_by_cuda(const Call& c, Launcher& l) { scaled(l, c.in[op::scale_by::x], 1, data<float>(c.in[op::scale_by::s]), c.out[op::scale_by::o_y]); }

void cast_cuda(const Call& c, Launcher& l) {
  const Tensor &x = c.in[op::cast::x], &y = c.out[op::cast::o_y];
  with_types([&](auto tx, auto ty) {
    using X = decltype(tx);
    using Y = decltype(ty);
    for_elements(l, y.size(), Cast<X, Y>{data<X>(x), data<Y>(y)});
  }, x, y);
}

void expand_cuda(const Call& c, Launcher& l) {
  const Tensor& y = c.out[op::expand::o_y];
  for_elements(l, y.size(), Constant{0, data<float>(c.in[op::expand::s]), data<float>(y)});
}

void fill_cuda(const Call& c, Launcher& l) {
  const Tensor& y = c.out[op::fill::o_y];
  for_elements(l, y.size(), Constant{c.attr[op::fill::a_value].f, nullptr, data<float>(y)});
}

}  // namespace ht::cuda
