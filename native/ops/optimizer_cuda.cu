// The optimiser step on the device: AdamW and averaging in one pass over memory (cuda/elements.cuh). AdamW reads param, m, v and grad and
// writes param, m, v and the copy: 28 bytes per element, 30 with a copy in bf16. Rates and scale are read from device memory by every
// thread (they stay in the first cache), so a captured step needs nothing of the host.
#include "core/ops_cuda.gen.h"
#include "cuda/elements.cuh"

namespace ht::cuda {
namespace {

__device__ __forceinline__ bool is_finite(float x) { return fabsf(x) < INFINITY; }  // false for a NaN

__global__ void grad_scale_kernel(const float* norm, const float* count, float max_norm, float* scale, float* norm_out) {
  const float total = *norm, n = *count;
  const bool usable = is_finite(total) && is_finite(n) && n > 0;
  const float mean = n > 0 ? total / n : total;
  const float clip = max_norm > 0 && mean > max_norm ? max_norm / mean : 1.0f;
  *scale = usable ? clip / n : 0.0f;
  *norm_out = mean;
}

template <class C>
struct AdamW {
  static constexpr int kWidth = vector_width<float>();
  float *param, *m, *v;
  C* copy;
  const float *grad, *rates, *gscale;  // rates: lr, 1 - beta1^t, 1 - beta2^t
  float beta1, beta2, eps, decay, lr_scale;
  __device__ bool aligned() const {
    return is_aligned<kWidth>(param) && is_aligned<kWidth>(m) && is_aligned<kWidth>(v) && is_aligned<kWidth>(copy) && is_aligned<kWidth>(grad);
  }
  template <int N>
  __device__ void at(int64_t i) const {
    const float scale = *gscale;
    if (scale == 0) return;
    const float lr = rates[0] * lr_scale, m_correction = 1.0f / rates[1], v_correction = 1.0f / rates[2];
    Floats<N> p = load_floats<N>(param + i), first = load_floats<N>(m + i), second = load_floats<N>(v + i);
    const Floats<N> raw = load_floats<N>(grad + i);
    for (int k = 0; k < N; ++k) {
      const float g = scale * raw[k];
      first[k] = beta1 * first[k] + (1.0f - beta1) * g;
      second[k] = beta2 * second[k] + (1.0f - beta2) * g * g;
      const float step = first[k] * m_correction / (sqrtf(second[k] * v_correction) + eps);
      p[k] -= lr * (step + decay * p[k]);
    }
    store_floats(m + i, first);
    store_floats(v + i, second);
    store_floats(param + i, p);
    if (copy) store_floats(copy + i, p);
  }
};

struct Average {
  static constexpr int kWidth = vector_width<float>();
  float* mean;
  const float *x, *rate, *gscale;
  __device__ bool aligned() const { return is_aligned<kWidth>(mean) && is_aligned<kWidth>(x); }
  template <int N>
  __device__ void at(int64_t i) const {
    if (*gscale == 0) return;
    const float r = *rate;
    store_floats(mean + i, map(load_floats<N>(mean + i), load_floats<N>(x + i), [=](float before, float now) { return before + r * (now - before); }));
  }
};

}  // namespace

void grad_scale_cuda(const Call& c, Launcher& l) {
  using Op = op::grad_scale;
  l.launch(grad_scale_kernel, dim3(1), dim3(1), 0, data<float>(c.in[Op::norm]), data<float>(c.in[Op::count]), c.attr[Op::a_max_norm].f,
           data<float>(c.out[Op::o_scale]), data<float>(c.out[Op::o_norm_out]));
}

void adamw_cuda(const Call& c, Launcher& l) {
  using Op = op::adamw;
  const Tensor &param = c.in[Op::param], &copy = c.in[Op::copy];
  with_types([&](auto type) {
    using C = decltype(type);
    for_elements(l, param.size(), AdamW<C>{data<float>(param), data<float>(c.in[Op::m]), data<float>(c.in[Op::v]), data<C>(copy), data<float>(c.in[Op::grad]),
                                           data<float>(c.in[Op::rates]), data<float>(c.in[Op::gscale]), c.attr[Op::a_beta1].f, c.attr[Op::a_beta2].f,
                                           c.attr[Op::a_eps].f, c.attr[Op::a_weight_decay].f, c.attr[Op::a_lr_scale].f});
  }, copy);
}

void average_cuda(const Call& c, Launcher& l) {
  using Op = op::average;
  const Tensor& mean = c.in[Op::mean];
  for_elements(l, mean.size(), Average{data<float>(mean), data<float>(c.in[Op::x]), data<float>(c.in[Op::rate]), data<float>(c.in[Op::gscale])});
}

}  // namespace ht::cuda
