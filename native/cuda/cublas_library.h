// Finds and opens cuBLAS and cuBLASLt at run time.
#pragma once
#include <string>

#include "cuda/cublas_api.h"

namespace ht::cuda::cublas {

struct Library {
  Functions functions;
  std::string path;  // of libcublas, as it was opened
  int version;       // 130002: 13.0.2
};

// Looks, in this order, where HYPERTUNE_CUBLAS says (a file or a folder; then nowhere else), beside this library, where the loader
// looks, in Python environments (nvidia/cu13/lib), in folders of the toolkit. Only the major version that matches the CUDA
// runtime will do. Throws Failure HT_NO_CUBLAS with everything that was tried, or HT_CUBLAS_VERSION.
Library open_library();

std::string version_text(int version);

}  // namespace ht::cuda::cublas
