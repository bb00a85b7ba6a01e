// What the host side of a kernel file sees of the device. An op is one function, `void <op>_cuda(const Call&, Launcher&)`,
// that asks for scratch memory and launches kernels; it is called in three modes and must do the same in each:
//
//   Measure  sizes at capacity, no addresses: adds up the scratch memory it asks for. Nothing is launched.
//   Bind     real sizes and addresses: uploads the constants. Nothing is launched.
//   Run      launches, perhaps into a graph that is captured and replayed later, with the arguments of now.
//
// So what it does may depend on shapes, types and attributes, never on the content of device memory or on addresses, and
// scratch must not grow when a dimension shrinks.
#pragma once
#include <kernel_env.h>

#include <cstring>
#include <vector>

#include "core/tensor.h"
#include "cuda/error.h"

namespace ht::cuda {

class Blas;

constexpr size_t kScratchAlign = 256;
constexpr size_t kUnaskedShared = 16 << 10;  // dynamic; beside up to 32 KiB of static shared memory, more must be asked for per kernel

enum class Mode { Measure, Bind, Run };

class Launcher {
 public:
  Launcher(Mode mode, cudaStream_t stream, Blas* blas, int32_t* bad_index) : mode_(mode), stream_(stream), blas_(blas), bad_index_(bad_index) {}

  Mode mode() const { return mode_; }
  cudaStream_t stream() const { return stream_; }
  // cuBLAS on this stream; only where mode() is Run.
  Blas& blas() const { return *blas_; }
  // Device flag that a kernel sets to 1 when an index it met lies outside its range; it goes on with a clamped one.
  int32_t* bad_index() const { return bad_index_; }

  // Device memory for `count` elements until the op's last launch has finished; undefined content.
  template <class T>
  T* scratch(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + kScratchAlign - 1) / kScratchAlign * kScratchAlign;
    char* at = scratch_base_ + scratch_used_;
    scratch_used_ += bytes;
    if (mode_ != Mode::Measure && scratch_used_ > scratch_limit_) throw Failure{HT_FAILED, "an op needs more scratch memory than at capacity"};
    if (scratch_used_ > scratch_peak_) scratch_peak_ = scratch_used_;
    return reinterpret_cast<T*>(at);
  }

  // Scratch asked for since a mark may be handed out again: later launches run after the ones that used it.
  size_t scratch_mark() const { return scratch_used_; }
  void reuse_scratch(size_t mark) { scratch_used_ = mark; }

  // Device copy of `count` host elements (operand lists and the like), uploaded once when the program is bound.
  template <class T>
  const T* constant(const T* host, int64_t count) {
    const size_t at = constants_used_, bytes = (static_cast<size_t>(count) * sizeof(T) + 15) / 16 * 16;
    constants_used_ += bytes;
    if (mode_ == Mode::Bind && bytes) {
      constants_.resize(constants_used_);
      std::memcpy(constants_.data() + at, host, static_cast<size_t>(count) * sizeof(T));
    }
    return reinterpret_cast<const T*>(constant_base_ + at);
  }

  // Counters of blocks, zero when the program is bound. Whatever raises them brings them back to zero before its kernel ends, so that
  // the next run finds them so.
  uint32_t* counters(int64_t count) {
    const std::vector<uint32_t> zeros(static_cast<size_t>(count));
    return const_cast<uint32_t*>(constant(zeros.data(), count));
  }

  // A grid with an empty dimension launches nothing.
  template <class... P, class... A>
  void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_shared, A&&... args) {
    if (mode_ != Mode::Run || grid.x == 0 || grid.y == 0 || grid.z == 0) return;
    if (dynamic_shared > kUnaskedShared)
      check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(dynamic_shared)), "shared memory of a kernel");
    check(dev::launch(kernel, grid, block, dynamic_shared, stream_, static_cast<A&&>(args)...), "launch");
  }

  void fill_bytes(void* to, int value, size_t bytes) {
    if (mode_ == Mode::Run && bytes) check(cudaMemsetAsync(to, value, bytes, stream_), "fill");
  }
  void copy_bytes(void* to, const void* from, size_t bytes) {
    if (mode_ == Mode::Run && bytes) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy");
  }

  // For the backend: memory that scratch and constant hand out, and what was used.
  void use_scratch(void* base, size_t limit) {
    scratch_base_ = static_cast<char*>(base);
    scratch_limit_ = limit;
  }
  void use_constants(char* base, size_t used) {
    constant_base_ = base;
    constants_used_ = used;
  }
  void next_node() { scratch_used_ = 0; }
  size_t scratch_peak() const { return scratch_peak_; }
  size_t constants_used() const { return constants_used_; }
  const std::vector<char>& constants() const { return constants_; }

 private:
  Mode mode_;
  cudaStream_t stream_;
  Blas* blas_;
  int32_t* bad_index_;
  // Not null: offsets from null are undefined, and sizes are measured before there is memory.
  char *scratch_base_ = reinterpret_cast<char*>(kScratchAlign), *constant_base_ = scratch_base_;
  size_t scratch_used_ = 0, scratch_peak_ = 0, scratch_limit_ = 0, constants_used_ = 0;
  std::vector<char> constants_;
};

}  // namespace ht::cuda
