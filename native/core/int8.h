// Symmetric int8: x[k] is about scale * q[k] with q[k] in [-127, 127] and one scale per row. Weights are quantised so when
// they are loaded, activations inside the products. The arithmetic is fp32 and the same everywhere, so that every kernel
// gets the same integers.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ht {

// Products of [-127, 127] by [-127, 127] that an int32 can sum.
constexpr int64_t kMostInt8Terms = int64_t{1} << 17;

struct Int8Scale {
  float scale, inverse;
};

// Of a row whose largest magnitude is `most`. One that is not finite has scale NaN and inverse 0: all of its results are NaN.
inline Int8Scale int8_scale(float most) {
  if (!(most <= std::numeric_limits<float>::max())) return {std::numeric_limits<float>::quiet_NaN(), 0.0f};
  constexpr float kLeast = 1e-30f;  // its inverse is still finite; a row below it becomes zeros
  const float largest = std::max(most, kLeast);
  return {largest / 127.0f, 127.0f / largest};
}

// To nearest even.
inline int8_t to_int8(float x, Int8Scale row) { return row.inverse == 0 ? int8_t{0} : static_cast<int8_t>(std::nearbyint(x * row.inverse)); }

// Largest magnitude of a row; NaN where there is one.
inline float largest_magnitude(const float* x, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n && !std::isnan(most); ++i) most = std::fabs(x[i]) <= most ? most : std::fabs(x[i]);
  return most;
}

}  // namespace ht
