// Fast kernels of T5's layer norm. Formulas: rms_norm_ref.cc.
#ifndef HT_ISA_PASS
#include <vector>

#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#define HT_KERNELS "ops/rms_norm_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void rms_norm_cpu(const Call& c) {
  using Op = op::rms_norm;
  const Tensor &x = c.in[Op::x], &residual = c.in[Op::residual], &gain = c.in[Op::gain];
  Tensor &y = c.out[Op::o_y], &h = c.out[Op::o_h];
  const int64_t width = x.dim[1];
  const float eps = c.attr[Op::a_eps].f;
  std::vector<float> gains(width);
  for (int64_t j = 0; j < width; ++j) gains[j] = static_cast<float>(gain.get(j));
  with_type(x.dtype, [&](auto tx) {
    with_type(residual.dtype, [&](auto tr) {
      with_type(y.dtype, [&](auto ty) {
        using X = decltype(tx);
        using R = decltype(tr);
        using Y = decltype(ty);
        auto* kernel = HT_DISPATCH(rms_norm_row<X, R, Y>);
        for_row_chunks(x.dim[0], width, [&](int64_t begin, int64_t end) {
          std::vector<float> sum(residual && !h ? width : 0);
          for (int64_t t = begin; t < end; ++t) {
            float* h_row = h ? h.f32() + t * width : sum.data();
            kernel(data_of<X>(x) + t * width, residual ? data_of<R>(residual) + t * width : nullptr, gains.data(), eps,
                   residual || h ? h_row : nullptr, data_of<Y>(y) + t * width, width);
          }
        });
      });
    });
  });
}

void rms_norm_grad_cpu(const Call& c) {
  using Op = op::rms_norm_grad;
  const Tensor &h = c.in[Op::h], &gain = c.in[Op::gain], &dy = c.in[Op::dy], &carry = c.in[Op::carry];
  Tensor &dh = c.out[Op::o_dh], &dgain = c.out[Op::o_dgain];
  const int64_t tokens = h.dim[0], width = h.dim[1];
  const float eps = c.attr[Op::a_eps].f;
  std::vector<float> gains(width);
  for (int64_t j = 0; j < width; ++j) gains[j] = static_cast<float>(gain.get(j));
  // At most 64 partial sums of dgain, whatever the number of tokens.
  const int64_t step = std::max(rows_per_chunk(width), (tokens + 63) / 64), tiles = (tokens + step - 1) / step;
  std::vector<float> partial(dgain ? tiles * width : 0, 0.0f);
  with_type(h.dtype, [&](auto th) {
    with_type(dy.dtype, [&](auto ty) {
      with_type(carry.dtype, [&](auto tc) {
        using H = decltype(th);
        using Y = decltype(ty);
        using C = decltype(tc);
        auto* kernel = HT_DISPATCH(rms_norm_grad_row<H, Y, C>);
        cpu::parallel(tiles, [&](int64_t tile, int) {
          for (int64_t t = tile * step; t < std::min(tokens, (tile + 1) * step); ++t)
            kernel(data_of<H>(h) + t * width, gains.data(), data_of<Y>(dy) + t * width, carry ? data_of<C>(carry) + t * width : nullptr,
                   eps, dh.f32() + t * width, dgain ? partial.data() + tile * width : nullptr, width);
        });
      });
    });
  });
  if (!dgain) return;
  std::fill(dgain.f32(), dgain.f32() + width, 0.0f);
  for (int64_t tile = 0; tile < tiles; ++tile)
    for (int64_t j = 0; j < width; ++j) dgain.f32()[j] += partial[tile * width + j];
}

}  // namespace ht
#else
// h receives x + residual; null where there is no residual and nobody asks for it.
template <class X, class R, class Y>
void rms_norm_row(const X* x, const R* residual, const float* gain, float eps, float* h, Y* y, int64_t n) {
  Vec squares = Vec::zero();
  for_each_vec(n, [&](int64_t i, int lanes) {
    Vec v = Vec::load(x + i, lanes);
    if (residual) v = v + Vec::load(residual + i, lanes);
    if (h) v.store(h + i, lanes);
    squares = fma(v, v, squares);
  });
  const Vec inverse = Vec::set1(1.0f / std::sqrt(sum(squares) / static_cast<float>(n) + eps));
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec v = h ? Vec::load(h + i, lanes) : Vec::load(x + i, lanes);
    (Vec::load(gain + i, lanes) * v * inverse).store(y + i, lanes);
  });
}

template <class H, class Y, class C>
void rms_norm_grad_row(const H* h, const float* gain, const Y* dy, const C* carry, float eps, float* dh, float* dgain, int64_t n) {
  Vec squares = Vec::zero(), dots = Vec::zero();
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec v = Vec::load(h + i, lanes);
    squares = fma(v, v, squares);
    dots = fma(Vec::load(gain + i, lanes) * Vec::load(dy + i, lanes), v, dots);
  });
  const float r = 1.0f / std::sqrt(sum(squares) / static_cast<float>(n) + eps);
  const Vec inverse = Vec::set1(r), pull = Vec::set1(sum(dots) * r * r * r / static_cast<float>(n));
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec v = Vec::load(h + i, lanes), up = Vec::load(dy + i, lanes) * inverse;
    Vec d = Vec::load(gain + i, lanes) * up - pull * v;
    if (carry) d = d + Vec::load(carry + i, lanes);
    d.store(dh + i, lanes);
    if (dgain) fma(up, v, Vec::load(dgain + i, lanes)).store(dgain + i, lanes);
  });
}
#endif
