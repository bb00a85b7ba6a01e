// Operands in memory: outputs between guard bands and filled with a pattern, inputs in blocks of their exact size (so that
// a sanitizer sees every read past the end).
#pragma once
#include <cstdlib>
#include <cstring>

#include "bind.h"

namespace ht::cases {

using Values = std::vector<double>;  // elements of an operand; every storage type fits

// Patterns that no kernel computes: a NaN with a payload, and an odd integer.
constexpr uint32_t kPoisonF32 = 0x7fc0dead, kPoisonI32 = 0x5a5a5a5b;
constexpr uint64_t kPoisonF64 = 0x7ff80000deadbeefull;
constexpr uint16_t kPoisonBF16 = 0x7fda;

class Block {
 public:
  Block(const Slot& slot, DType dtype, bool guarded) : guard_(guarded ? kGuard : 0) {
    if (!slot.present) return;
    tensor_.rank = static_cast<int32_t>(slot.shape.size());
    for (size_t i = 0; i < slot.shape.size(); ++i) tensor_.dim[i] = slot.shape[i];
    tensor_.dtype = dtype;
    size_ = tensor_.bytes() + 2 * guard_;
    void* memory = nullptr;
    if (posix_memalign(&memory, kGuard, size_ ? size_ : 1)) fail("out of memory");
    base_ = static_cast<unsigned char*>(memory);
    if (guard_) std::memset(base_, kGuardByte, size_);
    tensor_.data = base_ + guard_;
  }
  Block(Block&& other) noexcept : tensor_(other.tensor_), base_(other.base_), size_(other.size_), guard_(other.guard_) {
    other.base_ = nullptr;
  }
  Block(const Block&) = delete;
  ~Block() { std::free(base_); }

  const Tensor& tensor() const { return tensor_; }

  // With the guard bands.
  unsigned char* raw() { return base_; }
  size_t raw_bytes() const { return size_; }
  size_t guard() const { return guard_; }

  void fill(const Values& values) {
    for (int64_t i = 0; i < tensor_.size(); ++i) tensor_.set(i, values[i]);
  }
  void poison() {
    for (int64_t i = 0; i < tensor_.size(); ++i) {
      unsigned char* at = static_cast<unsigned char*>(tensor_.data) + i * dtype_size(tensor_.dtype);
      std::memcpy(at, pattern(), dtype_size(tensor_.dtype));
    }
  }
  int64_t first_unwritten() const {
    const unsigned char* data = static_cast<const unsigned char*>(tensor_.data);
    for (int64_t i = 0; i < tensor_.size(); ++i)
      if (!std::memcmp(data + i * dtype_size(tensor_.dtype), pattern(), dtype_size(tensor_.dtype))) return i;
    return -1;
  }
  bool guards_intact() const {
    for (size_t i = 0; i < guard_; ++i)
      if (base_ && (base_[i] != kGuardByte || base_[size_ - 1 - i] != kGuardByte)) return false;
    return true;
  }
  bool same_bytes(const Block& other) const { return !tensor_.size() || !std::memcmp(tensor_.data, other.tensor_.data, tensor_.bytes()); }
  Values values() const {
    Values out(tensor_.size());
    for (int64_t i = 0; i < tensor_.size(); ++i) out[i] = tensor_.get(i);
    return out;
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr unsigned char kGuardByte = 0xA7;

  const void* pattern() const {
    switch (tensor_.dtype) {
      case DType::F32: return &kPoisonF32;
      case DType::BF16: return &kPoisonBF16;
      case DType::F64: return &kPoisonF64;
      case DType::I32: return &kPoisonI32;
      case DType::I8: break;  // never an output
    }
    return nullptr;
  }

  Tensor tensor_;
  unsigned char* base_ = nullptr;
  size_t size_ = 0, guard_;
};

}  // namespace ht::cases
