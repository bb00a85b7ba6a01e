// Fast kernels of AdamW and of averaging: one pass over memory, so its bandwidth is their only limit.
#ifndef HT_ISA_PASS
#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"

namespace ht {
namespace {

struct AdamwStep {
  float gscale, beta1, beta2, m_correction, v_correction, eps, lr, decay;
};

}  // namespace
}  // namespace ht

#define HT_KERNELS "ops/optimizer_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void adamw_cpu(const Call& c) {
  using Op = op::adamw;
  Tensor param = c.in[Op::param], m = c.in[Op::m], v = c.in[Op::v], copy = c.in[Op::copy];
  const Tensor& grad = c.in[Op::grad];
  const float* rates = c.in[Op::rates].f32();
  const AdamwStep step{c.in[Op::gscale].f32()[0], c.attr[Op::a_beta1].f, c.attr[Op::a_beta2].f, 1 / rates[1], 1 / rates[2],
                       c.attr[Op::a_eps].f, rates[0] * c.attr[Op::a_lr_scale].f, c.attr[Op::a_weight_decay].f};
  if (step.gscale == 0) return;
  with_type(copy.dtype, [&](auto type) {
    using C = decltype(type);
    auto* kernel = HT_DISPATCH(adamw<C>);
    for_chunks(param.size(), [&](int64_t i, int64_t n) {
      kernel(step, param.f32() + i, m.f32() + i, v.f32() + i, copy ? data_of<C>(copy) + i : nullptr, grad.f32() + i, n);
    });
  });
}

void average_cpu(const Call& c) {
  using Op = op::average;
  Tensor mean = c.in[Op::mean];
  const float *x = c.in[Op::x].f32(), rate = c.in[Op::rate].f32()[0];
  if (c.in[Op::gscale].f32()[0] == 0) return;
  auto* kernel = HT_DISPATCH(average);
  for_chunks(mean.size(), [&](int64_t i, int64_t n) { kernel(rate, mean.f32() + i, x + i, n); });
}

}  // namespace ht
#else
template <class C>
void adamw(const AdamwStep& s, float* param, float* m, float* v, C* copy, const float* grad, int64_t n) {
  const Vec beta1 = Vec::set1(s.beta1), beta2 = Vec::set1(s.beta2), one = Vec::set1(1.0f);
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec g = Vec::set1(s.gscale) * Vec::load(grad + i, lanes), p = Vec::load(param + i, lanes);
    const Vec m_new = fma(beta1, Vec::load(m + i, lanes), (one - beta1) * g);
    const Vec v_new = fma(beta2, Vec::load(v + i, lanes), (one - beta2) * g * g);
    const Vec step = m_new * Vec::set1(s.m_correction) / (sqrt(v_new * Vec::set1(s.v_correction)) + Vec::set1(s.eps));
    const Vec p_new = p - Vec::set1(s.lr) * fma(Vec::set1(s.decay), p, step);
    m_new.store(m + i, lanes);
    v_new.store(v + i, lanes);
    p_new.store(param + i, lanes);
    if (copy) p_new.store(copy + i, lanes);
  });
}

inline void average(float rate, float* mean, const float* x, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec before = Vec::load(mean + i, lanes);
    fma(Vec::set1(rate), Vec::load(x + i, lanes) - before, before).store(mean + i, lanes);
  });
}
#endif
