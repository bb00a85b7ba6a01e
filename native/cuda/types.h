// Storage types on the host side of a kernel file: from a tensor's dtype to a template argument.
#pragma once
#include <kernel_env.h>

#include <algorithm>

#include "core/tensor.h"

namespace ht::cuda {

using bf16 = __nv_bfloat16;

// f(T1{}, T2{}, ...) with float or bf16 for each tensor. An absent tensor counts as float. Every combination is compiled: list a
// tensor only where its type varies in hot paths.
template <class F>
void with_types(const F& f) {
  f();
}
template <class F, class... Rest>
void with_types(const F& f, const Tensor& t, const Rest&... rest) {
  if (t && t.dtype == DType::BF16) with_types([&](auto... types) { f(bf16{}, types...); }, rest...);
  else with_types([&](auto... types) { f(float{}, types...); }, rest...);
}

// Null where the operand is absent. Outputs are const in the launch function: only their bytes change.
template <class T>
T* data(const Tensor& t) {
  return static_cast<T*>(t.data);
}

inline unsigned blocks_for(int64_t n, int64_t per_block) { return static_cast<unsigned>((n + per_block - 1) / per_block); }

}  // namespace ht::cuda
