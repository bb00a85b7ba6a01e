// Activations and their slopes on the device. gelu_new is written with one exponential and one reciprocal, both approximated by the
// hardware to about 2^-21, in place of tanhf.
#pragma once
#include "cuda/device.cuh"
#include "ops/activation.h"

namespace ht::cuda {

struct Sigmoid {
  float value, complement;  // s and 1 - s, neither by a difference
};

__device__ __forceinline__ Sigmoid sigmoid_of(float x) {
  const float e = __expf(-fabsf(x)), r = __fdividef(1.0f, 1.0f + e);
  return x < 0 ? Sigmoid{e * r, r} : Sigmoid{r, e * r};
}

struct ValueAndSlope {
  float value, slope;
};

// f(x) and f'(x); what a caller does not use is not computed once this is inlined.
__device__ __forceinline__ ValueAndSlope activate_both(ht::Activation kind, float x) {
  switch (kind) {
    case ht::Activation::Relu: return {x > 0 ? x : (x != x ? x : 0.0f), x > 0 ? 1.0f : (x != x ? x : 0.0f)};
    case ht::Activation::GeluNew: {
      // (1 + tanh(z)) / 2 = sigmoid(2 z). Beyond 20 it is exactly 0 or 1; without the bound the slope would have 0 * inf. A NaN stays.
      const float bounded = x < -20.0f ? -20.0f : x > 20.0f ? 20.0f : x;
      constexpr float c = 2.0f * static_cast<float>(kSqrt2OverPi), cubic = static_cast<float>(kGeluCubic);
      const float square = bounded * bounded;
      const Sigmoid s = sigmoid_of(c * bounded * (1.0f + cubic * square));
      return {x * s.value, s.value + bounded * s.value * s.complement * c * (1.0f + 3.0f * cubic * square)};
    }
    case ht::Activation::Tanh: {
      const float t = tanhf(x);
      return {t, 1.0f - t * t};
    }
    case ht::Activation::Sigmoid: {
      const Sigmoid s = sigmoid_of(x);
      return {s.value, s.value * s.complement};
    }
  }
  return {x, 1.0f};
}

}  // namespace ht::cuda
