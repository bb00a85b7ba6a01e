// T5's layer norm on the device. Formulas: rms_norm_ref.cc.
//
// Layout: rows of `width` contiguous elements. A group of 1, 2, 4 or 8 warps has a row, so that each lane holds at most kHeld quads of
// it in registers (up to 4,096 columns; what is beyond is read twice): memory is passed over once. A quad is moved by one access,
// 128 bits of fp32. Blocks have 8 warps: a row of 512 needs one of them and no shared memory.
// Bytes moved: forward T d (x + residual + h + y), gradient T d (h + dy + carry + dh); the gain stays in the first cache.
// dgain reads h and dy once more: blocks sum pieces of consecutive tokens for 128 columns each, their warps taking tokens in turn, and a
// last kernel adds the pieces in order. Groups depend on the width alone and pieces on the number of tokens, so the bits do too.
#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/token_source_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kWarps = kNormWarps, kThreads = kWarps * kWarp, kQuad = kNormQuad, kHeld = kNormHeld, kTileColumns = kWarp * kQuad, kAhead = 4;
constexpr int64_t kLeastTokens = 64, kPieces = 64;
using Quad = Floats<kQuad>;

// A thread's part of the row that its group of warps has: quads that are a group's quads apart.
struct RowPart {
  int64_t row, width;
  int warps, member;
  bool inside, aligned;

  __device__ RowPart(int64_t tokens, int64_t width, int warps, bool bases_aligned) : width(width), warps(warps), member(threadIdx.x % (warps * kWarp)), aligned(bases_aligned && width % kQuad == 0) {
    const int64_t t = int64_t{blockIdx.x} * (kWarps / warps) + threadIdx.x / (warps * kWarp);
    row = t * width;
    inside = t < tokens;
  }
  __device__ __forceinline__ int64_t column(int step) const { return (int64_t{step} * warps * kWarp + member) * kQuad; }
  __device__ __forceinline__ bool has(int step) const { return inside && column(step) < width; }
  template <class T>
  __device__ __forceinline__ Quad load(const T* x, int step) const {  // of the tensor x
    return load_floats<kQuad>(x + row + column(step), has(step) ? width - column(step) : 0, aligned);
  }
  template <class T>
  __device__ __forceinline__ Quad load_gain(const T* gain, int step) const {
    return load_floats<kQuad>(gain + column(step), has(step) ? width - column(step) : 0, aligned);
  }
  template <class T>
  __device__ __forceinline__ void save(T* y, int step, const Quad& v) const {
    store_floats(y + row + column(step), v, has(step) ? width - column(step) : 0, aligned);
  }

  // Sums over the row's group, in every thread of it; all threads of the block call.
  __device__ __forceinline__ float2 sum(float a, float b) const {
    SHARED(float2, by_warp, [kWarps]);
    a = warp_sum(a);
    b = warp_sum(b);
    if (warps == 1) return make_float2(a, b);
    const int warp = threadIdx.x / kWarp, first = warp / warps * warps;
    if (threadIdx.x % kWarp == 0) by_warp[warp] = make_float2(a, b);
    __syncthreads();
    float2 total = by_warp[first];
    for (int w = first + 1; w < first + warps; ++w) {
      total.x += by_warp[w].x;
      total.y += by_warp[w].y;
    }
    return total;
  }
};

template <class X, class R, class G, class Y>
__global__ void __launch_bounds__(kThreads, 2) rms_norm_kernel(const X* x, const R* residual, const G* gain, float eps, Y* y, float* h, int64_t tokens, int64_t width, int warps) {
  const RowPart part(tokens, width, warps, is_aligned<kQuad>(x) && is_aligned<kQuad>(residual) && is_aligned<kQuad>(gain) && is_aligned<kQuad>(y) && is_aligned<kQuad>(h));
  const auto value = [&](int step) {
    Quad v = part.load(x, step);
    if (!residual) return v;
    const Quad r = part.load(residual, step);
    for (int k = 0; k < kQuad; ++k) v[k] += r[k];
    return v;
  };
  float squares = 0;
  const auto take = [&](int step, const Quad& v) {
    if (h) part.save(h, step, v);
    for (int k = 0; k < kQuad; ++k) squares += v[k] * v[k];
  };
  Quad held[kHeld];
#pragma unroll
  for (int s = 0; s < kHeld; ++s) held[s] = value(s);
#pragma unroll
  for (int s = 0; s < kHeld; ++s) take(s, held[s]);
  for (int s = kHeld; part.has(s); ++s) take(s, value(s));

  const float inverse = inverse_norm(part.sum(squares, 0).x, width, eps);
  const auto give = [&](int step, Quad v) {
    const Quad g = part.load_gain(gain, step);
    for (int k = 0; k < kQuad; ++k) v[k] = g[k] * v[k] * inverse;
    part.save(y, step, v);
  };
#pragma unroll
  for (int s = 0; s < kHeld; ++s) give(s, held[s]);
  for (int s = kHeld; part.has(s); ++s) give(s, value(s));
}

template <class H, class G, class D, class C>
__global__ void __launch_bounds__(kThreads) rms_norm_grad_kernel(const H* h, const G* gain, const D* dy, const C* carry, float eps, float* dh, float* inverses, int64_t tokens, int64_t width,
                                                                 int warps) {
  const RowPart part(tokens, width, warps, is_aligned<kQuad>(h) && is_aligned<kQuad>(gain) && is_aligned<kQuad>(dy) && is_aligned<kQuad>(carry) && is_aligned<kQuad>(dh));
  const auto upstream = [&](int step) {  // gain * dy
    Quad u = part.load(dy, step);
    const Quad g = part.load_gain(gain, step);
    for (int k = 0; k < kQuad; ++k) u[k] *= g[k];
    return u;
  };
  const auto carried = [&](int step) { return carry ? part.load(carry, step) : Quad{}; };
  float squares = 0, dot = 0;
  const auto take = [&](const Quad& v, const Quad& u) {
    for (int k = 0; k < kQuad; ++k) {
      squares += v[k] * v[k];
      dot += u[k] * v[k];
    }
  };
  Quad held[kHeld], up[kHeld], more[kHeld];
#pragma unroll
  for (int s = 0; s < kHeld; ++s) {
    held[s] = part.load(h, s);
    up[s] = upstream(s);
    more[s] = carried(s);
  }
#pragma unroll
  for (int s = 0; s < kHeld; ++s) take(held[s], up[s]);
  for (int s = kHeld; part.has(s); ++s) take(part.load(h, s), upstream(s));

  const float2 sums = part.sum(squares, dot);
  const float inverse = 1.0f / sqrtf(sums.x / static_cast<float>(width) + eps);
  const float pull = sums.y * inverse * inverse * inverse / static_cast<float>(width);
  const auto give = [&](int step, const Quad& v, const Quad& u, Quad d) {
    for (int k = 0; k < kQuad; ++k) d[k] += inverse * u[k] - pull * v[k];
    part.save(dh, step, d);
  };
#pragma unroll
  for (int s = 0; s < kHeld; ++s) give(s, held[s], up[s], more[s]);
  for (int s = kHeld; part.has(s); ++s) give(s, part.load(h, s), upstream(s), carried(s));
  if (inverses && part.inside && part.member == 0) inverses[part.row / width] = inverse;
}

// partial[piece, j]: sum of dy * h * inverse over tokens [piece * step, (piece + 1) * step). Block x has 128 columns, a quad per lane.
template <class H, class D>
__global__ void __launch_bounds__(kThreads) gain_partial_kernel(const H* h, const D* dy, const float* inverses, float* partial, int64_t tokens, int64_t width, int64_t step) {
  SHARED(float, by_warp, [kWarps][kTileColumns]);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t first_column = int64_t{blockIdx.x} * kTileColumns, column = first_column + lane * kQuad, left = width - column;
  const int64_t begin = blockIdx.y * step, end = begin + step < tokens ? begin + step : tokens;
  const bool aligned = width % kQuad == 0 && is_aligned<kQuad>(h) && is_aligned<kQuad>(dy);
  Quad sum{};
  for (int64_t t = begin + warp; t < end; t += kAhead * kWarps) {
    Quad v[kAhead], d[kAhead];
    float inverse[kAhead];
    for (int a = 0; a < kAhead; ++a) {
      const int64_t at = t + a * kWarps, there = at < end ? left : 0;
      v[a] = load_floats<kQuad>(h + at * width + column, there, aligned);
      d[a] = load_floats<kQuad>(dy + at * width + column, there, aligned);
      inverse[a] = at < end ? inverses[at] : 0.0f;
    }
    for (int a = 0; a < kAhead; ++a)
      for (int k = 0; k < kQuad; ++k) sum[k] += d[a][k] * v[a][k] * inverse[a];
  }
  for (int k = 0; k < kQuad; ++k) by_warp[warp][lane * kQuad + k] = sum[k];
  __syncthreads();
  const int64_t j = first_column + threadIdx.x;
  if (threadIdx.x >= kTileColumns || j >= width) return;
  float total = 0;
  for (int w = 0; w < kWarps; ++w) total += by_warp[w][threadIdx.x];
  partial[blockIdx.y * width + j] = total;
}

__global__ void __launch_bounds__(kThreads) gain_total_kernel(const float* partial, float* dgain, int64_t pieces, int64_t width) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (j >= width) return;
  float sum = 0;
#pragma unroll 8
  for (int64_t p = 0; p < pieces; ++p) sum += partial[p * width + j];
  dgain[j] = sum;
}

}  // namespace

void rms_norm_cuda(const Call& c, Launcher& l) {
  using Op = op::rms_norm;
  const Tensor &x = c.in[Op::x], &residual = c.in[Op::residual], &gain = c.in[Op::gain], &y = c.out[Op::o_y], &h = c.out[Op::o_h];
  const int64_t tokens = x.dim[0], width = x.dim[1];
  const int warps = norm_warps(width);
  with_types([&](auto tx, auto tr, auto tg, auto ty) {
    using X = decltype(tx);
    using R = decltype(tr);
    using G = decltype(tg);
    using Y = decltype(ty);
    l.launch(rms_norm_kernel<X, R, G, Y>, dim3(blocks_for(tokens, kWarps / warps)), dim3(kThreads), 0, data<X>(x), data<R>(residual), data<G>(gain),
             c.attr[Op::a_eps].f, data<Y>(y), data<float>(h), tokens, width, warps);
  }, x, residual, gain, y);
}

void rms_norm_grad_cuda(const Call& c, Launcher& l) {
  using Op = op::rms_norm_grad;
  const Tensor &h = c.in[Op::h], &gain = c.in[Op::gain], &dy = c.in[Op::dy], &carry = c.in[Op::carry], &dh = c.out[Op::o_dh], &dgain = c.out[Op::o_dgain];
  const int64_t tokens = h.dim[0], width = h.dim[1];
  const int warps = norm_warps(width);
  float* const inverses = dgain ? l.scratch<float>(tokens) : nullptr;
  with_types([&](auto th, auto tg, auto td, auto tc) {
    using H = decltype(th);
    using G = decltype(tg);
    using D = decltype(td);
    using C = decltype(tc);
    l.launch(rms_norm_grad_kernel<H, G, D, C>, dim3(blocks_for(tokens, kWarps / warps)), dim3(kThreads), 0, data<H>(h), data<G>(gain), data<D>(dy), data<C>(carry),
             c.attr[Op::a_eps].f, data<float>(dh), inverses, tokens, width, warps);
  }, h, gain, dy, carry);
  if (!dgain) return;
  const int64_t step = std::max(kLeastTokens, (tokens + kPieces - 1) / kPieces), pieces = (tokens + step - 1) / step;
  float* const partial = l.scratch<float>(kPieces * width);
  with_types([&](auto th, auto td) {
    using H = decltype(th);
    using D = decltype(td);
    l.launch(gain_partial_kernel<H, D>, dim3(blocks_for(width, kTileColumns), static_cast<unsigned>(pieces)), dim3(kThreads), 0, data<H>(h), data<D>(dy), inverses, partial, tokens, width, step);
  }, h, dy);
  l.launch(gain_total_kernel, dim3(blocks_for(width, kThreads)), dim3(kThreads), 0, partial, data<float>(dgain), pieces, width);
}

}  // namespace ht::cuda
