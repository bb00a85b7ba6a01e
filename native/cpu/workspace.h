// Temporary memory of one thread, taken and given back like a stack, so that a GEMM inside the epilogue of another one
// finds memory of its own. Blocks are kept for reuse until the thread ends.
#pragma once
#include <cstddef>

namespace ht::cpu {

class Workspace {
 public:
  explicit Workspace(size_t bytes);  // 64-byte aligned, uninitialised; std::bad_alloc
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  template <class T>
  T* as() const { return static_cast<T*>(data_); }

 private:
  void* data_;
};

// 64-byte aligned memory; nullptr when there is none.
void* aligned_alloc64(size_t bytes);
void aligned_free64(void* data);

}  // namespace ht::cpu
