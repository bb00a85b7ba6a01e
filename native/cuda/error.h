// What goes wrong inside the CUDA backend, until the C boundary turns it into a status and a text.
#pragma once
#include <cuda_runtime.h>

#include <string>

#include "core/status.h"

namespace ht::cuda {

struct Failure {
  HtStatus status;
  std::string text;
};

inline void check(cudaError_t e, const char* what) {
  if (e == cudaSuccess) return;
  cudaGetLastError();  // the runtime keeps it otherwise, and the next launch would report it again
  throw Failure{e == cudaErrorMemoryAllocation ? HT_NO_MEMORY : HT_FAILED, std::string(what) + ": " + cudaGetErrorString(e)};
}

}  // namespace ht::cuda
