// Copying between storage types, for the kernels that only move rows.
#pragma once
#include "core/tensor.h"

namespace ht {

// y[y_begin .. +n) = x[x_begin .. +n), rounded to nearest even, on the calling thread, for f32 and bf16.
class Converter {
 public:
  Converter(const Tensor& x, const Tensor& y);
  void operator()(int64_t x_begin, int64_t y_begin, int64_t n) const {
    kernel_(static_cast<const char*>(x_) + x_begin * x_size_, static_cast<char*>(y_) + y_begin * y_size_, n);
  }
  void zero(int64_t y_begin, int64_t n) const;

 private:
  const void* x_;
  void* y_;
  int64_t x_size_, y_size_;
  void (*kernel_)(const void*, void*, int64_t);
};

}  // namespace ht
