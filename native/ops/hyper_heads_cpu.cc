// Hypermodel heads on the CPU. Few tokens, large weights: every W is read once for all tokens, as one product each, and
// bias and tanh are applied to each rectangle of a result while it is in cache. Backward, a head takes two products
// (dW2 = scale dy^T t, dt += scale dy W2), the trunk two more. u, t and dy are small and stay in cache.
#ifndef HT_ISA_PASS
#include <vector>

#include "core/ops.gen.h"
#include "cpu/gemm.h"
#include "cpu/vec.h"
#include "cpu/workspace.h"
#include "ops/chunks.h"
#include "ops/packed_weight.h"
#define HT_KERNELS "ops/hyper_heads_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {
namespace {

constexpr int64_t kColumns = 1024;  // of one tile of a column sum

// y = f(alpha x W^T + alpha b), f the row kernel.
void affine(const Tensor& x, const Tensor& w, const Tensor& b, float alpha, Tensor& y,
            void (*bias_and_more)(float*, const float*, float, int64_t)) {
  const int64_t width = y.dim[1];
  std::vector<float> bias(static_cast<size_t>(width));
  for (int64_t j = 0; j < width; ++j) bias[j] = static_cast<float>(b.get(j));
  const auto finish = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
    for (int64_t m = m0; m < m1; ++m) bias_and_more(y.f32() + m * width + n0, bias.data() + n0, alpha, n1 - n0);
  };
  const cpu::PackedB packed = packed_weight(w, Panel::Forward);
  cpu::GemmOptions options;
  options.alpha = alpha;
  options.packed_b = &packed;
  options.epilogue = finish;
  cpu::gemm(matrix_of(x), matrix_of(w).t(), matrix_out(y), options);
}

// weight = alpha dy^T x, bias = alpha * column sums of dy.
void weight_grads(const cpu::Matrix& dy, const Tensor& x, float alpha, Tensor& weight, Tensor& bias) {
  cpu::GemmOptions options;
  options.alpha = alpha;
  cpu::gemm(dy.t(), matrix_of(x), matrix_out(weight), options);
  with_type(dy.dtype, [&](auto type) {
    using T = decltype(type);
    const auto kernel = HT_DISPATCH(column_sums<T>);
    cpu::parallel((dy.cols + kColumns - 1) / kColumns, [&](int64_t tile, int) {
      const int64_t first = tile * kColumns;
      kernel(static_cast<const T*>(dy.data) + first, dy.rows, dy.cols, std::min(kColumns, dy.cols - first), alpha, bias.f32() + first);
    });
  });
}

}  // namespace

void hyper_heads_cpu(const Call& call) {
  using O = op::hyper_heads;
  Tensor& t = call.out[O::o_t];
  affine(call.in[O::u], call.in[O::w1], call.in[O::b1], 1.0f, t, HT_DISPATCH(add_bias_tanh));
  for (int i = 0; i < call.attr[O::a_n].i; ++i)
    affine(t, O::in(call, O::w2, i), O::in(call, O::b2, i), call.attr[O::a_output_scale].f, O::out(call, O::o_y, i), HT_DISPATCH(add_bias));
}

void hyper_heads_grad_cpu(const Call& call) {
  using O = op::hyper_heads_grad;
  const Tensor &u = call.in[O::u], &w1 = call.in[O::w1], &t = call.in[O::t];
  const cpu::Workspace memory(static_cast<size_t>(t.size()) * sizeof(float));
  float* const dt = memory.as<float>();
  const auto dt_out = cpu::MatrixOut::of(dt, DType::F32, t.dim[0], t.dim[1]);
  for (int i = 0; i < call.attr[O::a_n].i; ++i) {
    const Tensor &w2 = O::in(call, O::w2, i), &dy = O::in(call, O::dy, i);
    weight_grads(matrix_of(dy), t, call.attr[O::a_output_scale].f, O::out(call, O::o_dw2, i), O::out(call, O::o_db2, i));
    cpu::GemmOptions options;
    options.alpha = call.attr[O::a_output_scale].f;
    options.accumulate = i > 0;
    cpu::gemm(matrix_of(dy), matrix_of(w2), dt_out, options);
  }
  const auto kernel = HT_DISPATCH(through_tanh);
  for_chunks(t.size(), [&](int64_t begin, int64_t n) { kernel(dt + begin, t.f32() + begin, n); });
  const auto dz = cpu::Matrix::of(dt, DType::F32, t.dim[0], t.dim[1]);
  weight_grads(dz, u, 1.0f, call.out[O::o_dw1], call.out[O::o_db1]);
  cpu::gemm(dz, matrix_of(w1), matrix_out(call.out[O::o_du]));
}

}  // namespace ht
#else
void add_bias(float* y, const float* bias, float alpha, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) {
    fma(Vec::set1(alpha), Vec::load(bias + i, lanes), Vec::load(y + i, lanes)).store(y + i, lanes);
  });
}

void add_bias_tanh(float* y, const float* bias, float alpha, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) {
    tanh(fma(Vec::set1(alpha), Vec::load(bias + i, lanes), Vec::load(y + i, lanes))).store(y + i, lanes);
  });
}

// dt *= 1 - t^2.
void through_tanh(float* dt, const float* t, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec v = Vec::load(t + i, lanes);
    (Vec::load(dt + i, lanes) * (Vec::set1(1.0f) - v * v)).store(dt + i, lanes);
  });
}

// out[j] = alpha * sum of x[0..rows, j], rows in order.
template <class T>
void column_sums(const T* x, int64_t rows, int64_t stride, int64_t cols, float alpha, float* out) {
  for_each_vec(cols, [&](int64_t j, int lanes) {
    Vec total = Vec::zero();
    for (int64_t r = 0; r < rows; ++r) total = total + Vec::load(x + r * stride + j, lanes);
    (Vec::set1(alpha) * total).store(out + j, lanes);
  });
}
#endif
