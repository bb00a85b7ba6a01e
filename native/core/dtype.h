// Storage types of tensors. The numeric values travel in command buffers and in the backend table: never renumber.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ht {

enum class DType : int32_t {
  F32 = 0,
  BF16 = 1,
  I32 = 2,
  F64 = 3,  // exists on the reference device only, where it stands in for every float type
  I8 = 4,   // quantised weights (core/int8.h), in buffers only; the same on every device
};

constexpr int32_t kDTypeCount = 5;

inline size_t dtype_size(DType t) {
  switch (t) {
    case DType::F32: return 4;
    case DType::BF16: return 2;
    case DType::I32: return 4;
    case DType::F64: return 8;
    case DType::I8: return 1;
  }
  return 0;
}

inline const char* dtype_name(DType t) {
  switch (t) {
    case DType::F32: return "f32";
    case DType::BF16: return "bf16";
    case DType::I32: return "i32";
    case DType::F64: return "f64";
    case DType::I8: return "i8";
  }
  return "?";
}

inline bool dtype_is_float(DType t) { return t != DType::I32 && t != DType::I8; }

// bfloat16 is the upper half of an IEEE float; rounding is to nearest even, NaN stays NaN.
using bf16_t = uint16_t;

inline float bf16_to_float(bf16_t h) {
  uint32_t bits = static_cast<uint32_t>(h) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

inline bf16_t float_to_bf16(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<bf16_t>((bits >> 16) | 0x40u);
  return static_cast<bf16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace ht
