// The CUDA backend, in a shared object beside the addon that is opened when it is first asked for.
#pragma once
#include <string>

#include "core/backend.h"

namespace ht {

struct CudaPaths {
  std::string addon, library;
};

// The file this code was loaded from, and where the library is looked for: HYPERTUNE_CUDA_LIBRARY, else hypertune_cuda.so in the
// addon's own folder.
CudaPaths cuda_paths();

// Throws Error with a code of its own for each reason why it cannot be used.
HtBackend* cuda_backend();

// The error that stands for a backend's status.
[[noreturn]] void throw_status(HtStatus status, const char* text);

// Throws where the backend has no device to use.
void require_device(HtBackend* backend);

}  // namespace ht
