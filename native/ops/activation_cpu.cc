// Fast kernels of activations and of T5 v1.1's gate.
#ifndef HT_ISA_PASS
#include "ops/activation.h"

#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#define HT_KERNELS "ops/activation_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void activation_cpu(const Call& c) {
  using Op = op::activation;
  const Tensor& x = c.in[Op::x];
  Tensor& y = c.out[Op::o_y];
  const auto kind = static_cast<Activation>(c.attr[Op::a_kind].i);
  with_type(x.dtype, [&](auto tx) {
    with_type(y.dtype, [&](auto ty) {
      using X = decltype(tx);
      using Y = decltype(ty);
      auto* kernel = HT_DISPATCH(activation<X, Y>);
      for_chunks(y.size(), [&](int64_t i, int64_t n) { kernel(kind, data_of<X>(x) + i, data_of<Y>(y) + i, n); });
    });
  });
}

void activation_grad_cpu(const Call& c) {
  using Op = op::activation_grad;
  const Tensor &x = c.in[Op::x], &dy = c.in[Op::dy];
  Tensor& dx = c.out[Op::o_dx];
  const auto kind = static_cast<Activation>(c.attr[Op::a_kind].i);
  with_type(x.dtype, [&](auto tx) {
    with_type(dy.dtype, [&](auto ty) {
      using X = decltype(tx);
      using Y = decltype(ty);
      auto* kernel = HT_DISPATCH(activation_grad<X, Y>);
      for_chunks(dx.size(), [&](int64_t i, int64_t n) { kernel(kind, data_of<X>(x) + i, data_of<Y>(dy) + i, dx.f32() + i, n); });
    });
  });
}

void gated_activation_cpu(const Call& c) {
  using Op = op::gated_activation;
  const Tensor &a = c.in[Op::a], &b = c.in[Op::b];
  Tensor& y = c.out[Op::o_y];
  const auto kind = static_cast<Activation>(c.attr[Op::a_kind].i);
  with_type(a.dtype, [&](auto ta) {
    with_type(b.dtype, [&](auto tb) {
      with_type(y.dtype, [&](auto ty) {
        using A = decltype(ta);
        using B = decltype(tb);
        using Y = decltype(ty);
        auto* kernel = HT_DISPATCH(gated<A, B, Y>);
        for_chunks(y.size(), [&](int64_t i, int64_t n) { kernel(kind, data_of<A>(a) + i, data_of<B>(b) + i, data_of<Y>(y) + i, n); });
      });
    });
  });
}

void gated_activation_grad_cpu(const Call& c) {
  using Op = op::gated_activation_grad;
  const Tensor &a = c.in[Op::a], &b = c.in[Op::b], &dy = c.in[Op::dy];
  Tensor &da = c.out[Op::o_da], &db = c.out[Op::o_db];
  const auto kind = static_cast<Activation>(c.attr[Op::a_kind].i);
  with_type(a.dtype, [&](auto ta) {
    with_type(b.dtype, [&](auto tb) {
      with_type(dy.dtype, [&](auto ty) {
        using A = decltype(ta);
        using B = decltype(tb);
        using Y = decltype(ty);
        auto* kernel = HT_DISPATCH(gated_grad<A, B, Y>);
        for_chunks(da.size(), [&](int64_t i, int64_t n) {
          kernel(kind, data_of<A>(a) + i, data_of<B>(b) + i, data_of<Y>(dy) + i, da.f32() + i, db.f32() + i, n);
        });
      });
    });
  });
}

}  // namespace ht
#else
struct ValueAndSlope {
  Vec value, slope;
};

// f(x) and f'(x); what a caller does not use is not computed once this is inlined.
HT_INLINE ValueAndSlope activate_both(Activation kind, Vec x) {
  const Vec one = Vec::set1(1.0f), half = Vec::set1(0.5f);
  switch (kind) {
    case Activation::Relu: {
      const Vec y = max(x, Vec::zero());
      return {y, select(Vec::zero() < x, one, y)};
    }
    case Activation::GeluNew: {
      // Beyond 20 tanh is exactly +-1; without the bound x^2 may overflow and 0 * inf give NaN.
      const Vec bounded = min(max(x, Vec::set1(-20.0f)), Vec::set1(20.0f));
      const Vec square = bounded * bounded;
      const Vec c = Vec::set1(static_cast<float>(kSqrt2OverPi)), cubic = Vec::set1(static_cast<float>(kGeluCubic));
      const Vec t = tanh(c * fma(cubic * square, bounded, bounded));
      const Vec gate = half * (one + t);
      const Vec inner = c * fma(Vec::set1(3.0f) * cubic, square, one);
      return {x * gate, fma(half * bounded * (one - t * t), inner, gate)};
    }
    case Activation::Tanh: {
      const Vec t = tanh(x);
      return {t, one - t * t};
    }
    case Activation::Sigmoid: {
      const Vec s = one / (one + exp(-x));
      return {s, s * (one - s)};
    }
  }
  return {x, one};
}

template <class X, class Y>
void activation(Activation kind, const X* x, Y* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { activate_both(kind, Vec::load(x + i, lanes)).value.store(y + i, lanes); });
}

template <class X, class Y>
void activation_grad(Activation kind, const X* x, const Y* dy, float* dx, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) {
    (Vec::load(dy + i, lanes) * activate_both(kind, Vec::load(x + i, lanes)).slope).store(dx + i, lanes);
  });
}

template <class A, class B, class Y>
void gated(Activation kind, const A* a, const B* b, Y* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) {
    (activate_both(kind, Vec::load(a + i, lanes)).value * Vec::load(b + i, lanes)).store(y + i, lanes);
  });
}

template <class A, class B, class Y>
void gated_grad(Activation kind, const A* a, const B* b, const Y* dy, float* da, float* db, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) {
    const ValueAndSlope f = activate_both(kind, Vec::load(a + i, lanes));
    const Vec up = Vec::load(dy + i, lanes);
    (up * f.slope * Vec::load(b + i, lanes)).store(da + i, lanes);
    (up * f.value).store(db + i, lanes);
  });
}
#endif
