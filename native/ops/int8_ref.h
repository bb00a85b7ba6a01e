// The int8 arithmetic of the reference kernels: a row of activations as core/int8.h rounds it, whatever type holds it.
#pragma once
#include <vector>

#include "core/int8.h"
#include "core/tensor.h"

namespace ht {

struct Int8Row {
  std::vector<double> values;
  double scale;

  explicit Int8Row(const std::vector<double>& x) : values(x.size()) {
    const std::vector<float> rounded(x.begin(), x.end());
    const Int8Scale row = int8_scale(largest_magnitude(rounded.data(), static_cast<int64_t>(x.size())));
    for (size_t i = 0; i < x.size(); ++i) values[i] = to_int8(rounded[i], row);
    scale = row.scale;
  }

  // Times row j of an i8 weight: the sum is a whole number and exact in a double.
  double dot(const Tensor& w, const Tensor& w_scale, int64_t j) const {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[i] * w.get(j * w.dim[1] + static_cast<int64_t>(i));
    return sum * (scale * w_scale.get(j));
  }
};

}  // namespace ht
