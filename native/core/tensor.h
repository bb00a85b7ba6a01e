// What a kernel sees: operands with bound sizes, in the order of the op table.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/dtype.h"

namespace ht {

constexpr int kMaxRank = 4;

// Something derived from a buffer's bytes (a packed panel), kept while they do not change.
// The row-major buffer is the truth; whoever writes the buffer clears its caches.
struct DerivedCache {
  std::mutex mutex;
  std::shared_ptr<void> panel[2];  // [0] for x W^T, [1] for dy W
  void clear() {
    std::lock_guard<std::mutex> lock(mutex);
    panel[0].reset();
    panel[1].reset();
  }
};

// Row-major, contiguous. Absent operands have data == nullptr and rank -1.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::F32;
  int32_t rank = -1;
  int64_t dim[kMaxRank] = {1, 1, 1, 1};
  DerivedCache* cache = nullptr;  // set on frozen persistent buffers only

  explicit operator bool() const { return rank >= 0; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dim[i];
    return rank < 0 ? 0 : n;
  }
  size_t bytes() const { return static_cast<size_t>(size()) * dtype_size(dtype); }

  const float* f32() const { return static_cast<const float*>(data); }
  float* f32() { return static_cast<float*>(data); }
  const bf16_t* bf16() const { return static_cast<const bf16_t*>(data); }
  bf16_t* bf16() { return static_cast<bf16_t*>(data); }
  const int32_t* i32() const { return static_cast<const int32_t*>(data); }
  int32_t* i32() { return static_cast<int32_t*>(data); }
  const int8_t* i8() const { return static_cast<const int8_t*>(data); }

  // One element of any type, as the reference kernels read and write it.
  double get(int64_t i) const {
    switch (dtype) {
      case DType::F32: return static_cast<const float*>(data)[i];
      case DType::BF16: return bf16_to_float(static_cast<const bf16_t*>(data)[i]);
      case DType::F64: return static_cast<const double*>(data)[i];
      case DType::I32: return static_cast<const int32_t*>(data)[i];
      case DType::I8: return static_cast<const int8_t*>(data)[i];
    }
    return 0;
  }
  void set(int64_t i, double x) {
    switch (dtype) {
      case DType::F32: static_cast<float*>(data)[i] = static_cast<float>(x); break;
      case DType::BF16: static_cast<bf16_t*>(data)[i] = float_to_bf16(static_cast<float>(x)); break;
      case DType::F64: static_cast<double*>(data)[i] = x; break;
      case DType::I32: static_cast<int32_t*>(data)[i] = static_cast<int32_t>(x); break;
      case DType::I8: static_cast<int8_t*>(data)[i] = static_cast<int8_t>(std::clamp(x, -127.0, 127.0)); break;
    }
  }
};

union Attr {
  int32_t i;
  float f;
};

// Raised by kernels that meet an index computed on the device outside its range; they clamp and go on.
struct RunFlags {
  std::atomic<int32_t> bad_index{0};
};

// One node of a bound program. Repeated operands follow the single ones: with groups of G, operand g of repetition i
// is at fixed + i * G + g; the constants are generated (core/ops.gen.h).
struct Call {
  const Tensor* in = nullptr;
  Tensor* out = nullptr;
  const Attr* attr = nullptr;
  RunFlags* flags = nullptr;
};

using Kernel = void (*)(const Call&);

}  // namespace ht
