// Activation functions and their derivatives, for any float type.
#pragma once
#include <cmath>

namespace ht {

enum class Activation : int { Relu = 0, GeluNew = 1, Tanh = 2, Sigmoid = 3 };

constexpr double kSqrt2OverPi = 0.79788456080286535588;
constexpr double kGeluCubic = 0.044715;

template <class T>
T sigmoid(T x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

// gelu_new is the tanh form of Hendrycks and Gimpel, "Gaussian error linear units" (2016), section 2.
template <class T>
T activate(Activation kind, T x) {
  switch (kind) {
    case Activation::Relu: return x > 0 ? x : (x != x ? x : T(0));
    case Activation::GeluNew: return T(0.5) * x * (1 + std::tanh(T(kSqrt2OverPi) * (x + T(kGeluCubic) * x * x * x)));
    case Activation::Tanh: return std::tanh(x);
    case Activation::Sigmoid: return sigmoid(x);
  }
  return x;
}

template <class T>
T activate_grad(Activation kind, T x) {
  switch (kind) {
    case Activation::Relu: return x > 0 ? T(1) : (x != x ? x : T(0));
    case Activation::GeluNew: {
      const T t = std::tanh(T(kSqrt2OverPi) * (x + T(kGeluCubic) * x * x * x));
      const T slope = T(kSqrt2OverPi) * (1 + 3 * T(kGeluCubic) * x * x);
      return T(0.5) * (1 + t) + T(0.5) * x * (1 - t * t) * slope;
    }
    case Activation::Tanh: {
      const T t = std::tanh(x);
      return 1 - t * t;
    }
    case Activation::Sigmoid: {
      const T s = sigmoid(x);
      return s * (1 - s);
    }
  }
  return x;
}

}  // namespace ht
