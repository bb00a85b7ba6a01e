// A kernel's results against the reference's.
#pragma once
#include <cstdio>

#include "run.h"

namespace ht::cases {

// Largest difference allowed, as a part of the largest magnitude of the reference. fp32: 2^-24 per rounding, sums of some
// hundred terms in fp32, with room for their order. bf16: half a unit in the last place is 2^-9, and one more rounding of
// an intermediate may move a result to the next number, 2^-8.
inline double tolerance(DType dtype) { return dtype == DType::BF16 ? 1e-2 : 1e-5; }

inline std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", x);
  return text;
}

inline void compare(const Result& got, const Result& want, const Case& c, const std::string& kernel) {
  for (size_t k = 0; k < want.written.size(); ++k) {
    const Values a = got.written[k].values(), b = want.written[k].values();
    const DType dtype = got.written[k].tensor().dtype;
    double largest = 0;
    for (double x : b) largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : largest;
    const double tol = c.has("tol") ? parse_number(c.get("tol", "")) : tolerance(dtype);
    const double limit = dtype == DType::I32 ? 0 : tol * largest;
    for (size_t i = 0; i < b.size(); ++i) {
      const bool special = !std::isfinite(a[i]) || !std::isfinite(b[i]);
      const bool equal = special ? a[i] == b[i] || (a[i] != a[i] && b[i] != b[i]) : std::fabs(a[i] - b[i]) <= limit;
      if (!equal)
        fail(kernel + ": " + want.names[k] + "[" + std::to_string(i) + "] is " + number(a[i]) + ", should be " + number(b[i]) +
             " (limit " + number(limit) + ")");
    }
  }
}

inline void check_flag(const Result& got, const Case& c, const std::string& kernel) {
  const bool expected = c.get("flag", "0") == "1";
  if (got.bad_index != expected) fail(kernel + (expected ? ": a bad index was not flagged" : ": flagged a good index"));
}

}  // namespace ht::cases
