#ifndef HT_ISA_PASS
#include "ops/convert.h"

#include "cpu/vec.h"
#include "ops/chunks.h"
#define HT_KERNELS "ops/convert_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

Converter::Converter(const Tensor& x, const Tensor& y)
    : x_(x.data), y_(y.data), x_size_(static_cast<int64_t>(dtype_size(x.dtype))), y_size_(static_cast<int64_t>(dtype_size(y.dtype))) {
  kernel_ = with_type(x.dtype, [&](auto tx) {
    return with_type(y.dtype, [&](auto ty) { return HT_DISPATCH(convert<decltype(tx), decltype(ty)>); });
  });
}

void Converter::zero(int64_t y_begin, int64_t n) const { std::memset(static_cast<char*>(y_) + y_begin * y_size_, 0, n * y_size_); }

}  // namespace ht
#else
template <class X, class Y>
void convert(const void* from, void* to, int64_t n) {
  const X* x = static_cast<const X*>(from);
  Y* y = static_cast<Y*>(to);
  for_each_vec(n, [&](int64_t i, int lanes) { Vec::load(x + i, lanes).store(y + i, lanes); });
}
#endif
