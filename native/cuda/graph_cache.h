// Executable graphs of captured node ranges. Their number is bounded, because each holds device and host memory per node; the
// least recently used goes first, and its range is captured again when it comes back.
#pragma once
#include <list>

#include "cuda/error.h"

namespace ht::cuda {

class GraphCache {
 public:
  explicit GraphCache(size_t kept) : kept_(kept) {}
  ~GraphCache();
  // Null where there is none.
  cudaGraphExec_t find(const void* program, int32_t first, int32_t last);
  // Takes the graph over.
  void keep(const void* program, int32_t first, int32_t last, cudaGraphExec_t exec);
  // Destroys the graphs of a program; one that is under way finishes.
  void drop(const void* program);

 private:
  struct Entry {
    const void* program;
    int32_t first, last;
    cudaGraphExec_t exec;
  };
  size_t kept_;
  std::list<Entry> entries_;  // most recently used first
};

}  // namespace ht::cuda
