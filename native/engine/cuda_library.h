// The CUDA backend, in a shared object of its own that is opened when it is first asked for; lib/engine/cuda.ts knows where it lies.
#pragma once
#include <string>

#include "core/backend.h"

namespace ht {

// Throws Error with a code of its own for each reason why the library cannot be used.
HtBackend* cuda_backend(const std::string& library);

// The error that stands for a backend's status.
[[noreturn]] void throw_status(HtStatus status, const char* text);

// Throws where the backend has no device to use.
void require_device(HtBackend* backend);

}  // namespace ht
