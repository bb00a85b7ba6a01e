// One word per bound program that its kernels raise when they meet an index out of range. It lies in pinned host memory, which
// devices reach under the same address: raising is rare, and reading needs no copy.
#pragma once
#include <vector>

#include "cuda/error.h"

namespace ht::cuda {

class ErrorFlags {
 public:
  ErrorFlags() = default;
  ErrorFlags(const ErrorFlags&) = delete;
  ~ErrorFlags() {
    for (void* page : pages_) cudaFreeHost(page);
  }
  // A lowered flag.
  int32_t* take() {
    if (free_.empty()) {
      void* page = nullptr;
      check(cudaMallocHost(&page, kPage * sizeof(int32_t)), "pinned memory");
      pages_.push_back(page);
      for (size_t i = 0; i < kPage; ++i) free_.push_back(static_cast<int32_t*>(page) + i);
    }
    int32_t* flag = free_.back();
    free_.pop_back();
    *flag = 0;
    return flag;
  }
  void give_back(int32_t* flag) { free_.push_back(flag); }

 private:
  static constexpr size_t kPage = 1024;
  std::vector<void*> pages_;
  std::vector<int32_t*> free_;
};

}  // namespace ht::cuda
