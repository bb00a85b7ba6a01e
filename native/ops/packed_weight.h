// The packed panels of a frozen weight, derived on first use and kept beside the buffer until it is written.
#pragma once
#include <memory>
#include <mutex>

#include "core/tensor.h"
#include "cpu/gemm.h"

namespace ht {

inline cpu::Matrix matrix_of(const Tensor& t) { return cpu::Matrix::of(t.data, t.dtype, t.dim[0], t.dim[1]); }
inline cpu::MatrixOut matrix_out(Tensor& t) { return cpu::MatrixOut::of(t.data, t.dtype, t.dim[0], t.dim[1]); }

enum class Panel { Forward = 0, Backward = 1 };  // of W^T for x W^T, of W for dy W

// Empty (not usable) for a weight without a cache: gemm then reads the row-major buffer.
inline cpu::PackedB packed_weight(const Tensor& w, Panel panel) {
  if (!w.cache) return {};
  std::lock_guard<std::mutex> lock(w.cache->mutex);
  std::shared_ptr<void>& kept = w.cache->panel[static_cast<int>(panel)];
  const auto* known = static_cast<const cpu::PackedB*>(kept.get());
  if (!known || !known->usable()) {  // also after another instruction set was chosen
    const cpu::Matrix m = matrix_of(w);
    kept = std::make_shared<cpu::PackedB>(cpu::pack_b(panel == Panel::Forward ? m.t() : m));
    known = static_cast<const cpu::PackedB*>(kept.get());
  }
  return *known;
}

}  // namespace ht
