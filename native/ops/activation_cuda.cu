// Activations and T5 v1.1's gate on the device: one pass over memory (cuda/elements.cuh), 4 to 20 bytes per element. At the speed of
// the memory some 40 instructions per element are free (activation_cuda.cuh).
#include "ops/activation_cuda.cuh"

#include "core/ops_cuda.gen.h"
#include "cuda/elements.cuh"

namespace ht::cuda {
namespace {

template <class X, class Y>
struct Activate {
  static constexpr int kWidth = vector_width<X, Y>();
  Activation kind;
  const X* x;
  Y* y;
  __device__ bool aligned() const { return is_aligned<kWidth>(x) && is_aligned<kWidth>(y); }
  template <int N>
  __device__ void at(int64_t i) const {
    store_floats(y + i, map(load_floats<N>(x + i), [&](float v) { return activate_both(kind, v).value; }));
  }
};

template <class X, class D>
struct ActivateGrad {
  static constexpr int kWidth = vector_width<X, D, float>();
  Activation kind;
  const X* x;
  const D* dy;
  float* dx;
  __device__ bool aligned() const { return is_aligned<kWidth>(x) && is_aligned<kWidth>(dy) && is_aligned<kWidth>(dx); }
  template <int N>
  __device__ void at(int64_t i) const {
    store_floats(dx + i, map(load_floats<N>(x + i), load_floats<N>(dy + i), [&](float v, float up) { return up * activate_both(kind, v).slope; }));
  }
};

template <class A, class B, class Y>
struct Gated {
  static constexpr int kWidth = vector_width<A, B, Y>();
  Activation kind;
  const A* a;
  const B* b;
  Y* y;
  __device__ bool aligned() const { return is_aligned<kWidth>(a) && is_aligned<kWidth>(b) && is_aligned<kWidth>(y); }
  template <int N>
  __device__ void at(int64_t i) const {
    store_floats(y + i, map(load_floats<N>(a + i), load_floats<N>(b + i), [&](float gate, float v) { return activate_both(kind, gate).value * v; }));
  }
};

template <class A, class B, class D>
struct GatedGrad {
  static constexpr int kWidth = vector_width<A, B, D, float>();
  Activation kind;
  const A* a;
  const B* b;
  const D* dy;
  float *da, *db;
  __device__ bool aligned() const {
    return is_aligned<kWidth>(a) && is_aligned<kWidth>(b) && is_aligned<kWidth>(dy) && is_aligned<kWidth>(da) && is_aligned<kWidth>(db);
  }
  template <int N>
  __device__ void at(int64_t i) const {
    const Floats<N> gate = load_floats<N>(a + i), v = load_floats<N>(b + i), up = load_floats<N>(dy + i);
    Floats<N> to_a, to_b;
    for (int k = 0; k < N; ++k) {
      const ValueAndSlope f = activate_both(kind, gate[k]);
      to_a[k] = up[k] * f.slope * v[k];
      to_b[k] = up[k] * f.value;
    }
    store_floats(da + i, to_a);
    store_floats(db + i, to_b);
  }
};

}  // namespace

void activation_cuda(const Call& c, Launcher& l) {
  using Op = op::activation;
  const Tensor &x = c.in[Op::x], &y = c.out[Op::o_y];
  with_types([&](auto tx, auto ty) {
    using X = decltype(tx);
    using Y = decltype(ty);
    for_elements(l, y.size(), Activate<X, Y>{static_cast<Activation>(c.attr[Op::a_kind].i), data<X>(x), data<Y>(y)});
  }, x, y);
}

void activation_grad_cuda(const Call& c, Launcher& l) {
  using Op = op::activation_grad;
  const Tensor &x = c.in[Op::x], &dy = c.in[Op::dy], &dx = c.out[Op::o_dx];
  with_types([&](auto tx, auto td) {
    using X = decltype(tx);
    using D = decltype(td);
    for_elements(l, dx.size(), ActivateGrad<X, D>{static_cast<Activation>(c.attr[Op::a_kind].i), data<X>(x), data<D>(dy), data<float>(dx)});
  }, x, dy);
}

void gated_activation_cuda(const Call& c, Launcher& l) {
  using Op = op::gated_activation;
  const Tensor &a = c.in[Op::a], &b = c.in[Op::b], &y = c.out[Op::o_y];
  with_types([&](auto ta, auto tb, auto ty) {
    using A = decltype(ta);
    using B = decltype(tb);
    using Y = decltype(ty);
    for_elements(l, y.size(), Gated<A, B, Y>{static_cast<Activation>(c.attr[Op::a_kind].i), data<A>(a), data<B>(b), data<Y>(y)});
  }, a, b, y);
}

void gated_activation_grad_cuda(const Call& c, Launcher& l) {
  using Op = op::gated_activation_grad;
  const Tensor &a = c.in[Op::a], &b = c.in[Op::b], &dy = c.in[Op::dy], &da = c.out[Op::o_da], &db = c.out[Op::o_db];
  with_types([&](auto ta, auto tb, auto td) {
    using A = decltype(ta);
    using B = decltype(tb);
    using D = decltype(td);
    for_elements(l, da.size(),
                 GatedGrad<A, B, D>{static_cast<Activation>(c.attr[Op::a_kind].i), data<A>(a), data<B>(b), data<D>(dy), data<float>(da), data<float>(db)});
  }, a, b, dy);
}

}  // namespace ht::cuda
