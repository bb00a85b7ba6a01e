// Fast kernels that treat every element alike.
#ifndef HT_ISA_PASS
#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#include "ops/convert.h"
#define HT_KERNELS "ops/elementwise_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {
namespace {

void scaled(const Tensor& x, float s, Tensor& y) {
  with_type(x.dtype, [&](auto tx) {
    with_type(y.dtype, [&](auto ty) {
      using X = decltype(tx);
      using Y = decltype(ty);
      auto* kernel = HT_DISPATCH(scale<X, Y>);
      for_chunks(y.size(), [&](int64_t i, int64_t n) { kernel(data_of<X>(x) + i, s, data_of<Y>(y) + i, n); });
    });
  });
}

}  // namespace

void add_cpu(const Call& c) {
  const Tensor &a = c.in[op::add::a], &b = c.in[op::add::b];
  Tensor& y = c.out[op::add::o_y];
  with_type(a.dtype, [&](auto ta) {
    with_type(b.dtype, [&](auto tb) {
      with_type(y.dtype, [&](auto ty) {
        using A = decltype(ta);
        using B = decltype(tb);
        using Y = decltype(ty);
        auto* kernel = HT_DISPATCH(add<A, B, Y>);
        for_chunks(y.size(), [&](int64_t i, int64_t n) { kernel(data_of<A>(a) + i, data_of<B>(b) + i, data_of<Y>(y) + i, n); });
      });
    });
  });
}

void mul_cpu(const Call& c) {
  const Tensor &a = c.in[op::mul::a], &b = c.in[op::mul::b];
  Tensor& y = c.out[op::mul::o_y];
  with_type(a.dtype, [&](auto ta) {
    with_type(b.dtype, [&](auto tb) {
      with_type(y.dtype, [&](auto ty) {
        using A = decltype(ta);
        using B = decltype(tb);
        using Y = decltype(ty);
        auto* kernel = HT_DISPATCH(mul<A, B, Y>);
        for_chunks(y.size(), [&](int64_t i, int64_t n) { kernel(data_of<A>(a) + i, data_of<B>(b) + i, data_of<Y>(y) + i, n); });
      });
    });
  });
}

void scale_cpu(const Call& c) { scaled(c.in[op::scale::x], c.attr[op::scale::a_alpha].f, c.out[op::scale::o_y]); }

void scale_by_cpu(const Call& c) { scaled(c.in[op::scale_by::x], c.in[op::scale_by::s].f32()[0], c.out[op::scale_by::o_y]); }

void cast_cpu(const Call& c) {
  const Converter copy(c.in[op::cast::x], c.out[op::cast::o_y]);
  for_chunks(c.out[op::cast::o_y].size(), [&](int64_t i, int64_t n) { copy(i, i, n); });
}

}  // namespace ht
#else
template <class A, class B, class Y>
void add(const A* a, const B* b, Y* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { (Vec::load(a + i, lanes) + Vec::load(b + i, lanes)).store(y + i, lanes); });
}

template <class A, class B, class Y>
void mul(const A* a, const B* b, Y* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { (Vec::load(a + i, lanes) * Vec::load(b + i, lanes)).store(y + i, lanes); });
}

template <class X, class Y>
void scale(const X* x, float s, Y* y, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { (Vec::set1(s) * Vec::load(x + i, lanes)).store(y + i, lanes); });
}
#endif
