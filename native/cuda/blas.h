// Matrix products through cuBLASLt, or cuBLAS where Lt has no algorithm. One instance per stream.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <string>

#include "cuda/cublas_library.h"

namespace ht::cuda {

struct Gemm;

class Blas {
 public:
  // Throws Failure HT_NO_CUBLAS or HT_CUBLAS_VERSION.
  explicit Blas(cudaStream_t stream);
  ~Blas();
  Blas(const Blas&) = delete;

  // Library and version, for a person.
  std::string describe() const;

  // Whether gemm() can do it: by shapes and types alone, so the same in every mode of a launcher.
  static bool takes(const Gemm&);
  // Row-major, fp32 accumulation without TF32. The algorithm is chosen at the first call with a shape and kept, so a product that
  // has run once may be captured.
  void gemm(const Gemm&);

 private:
  // Shape, types, strides and alignment.
  using Key = std::array<int64_t, 12>;
  struct Choice;
  Choice& choice(const Gemm&);

  cublas::Library library_;
  cudaStream_t stream_;
  cublas::Handle handle_ = nullptr;
  cublas::LtHandle lt_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Key, std::unique_ptr<Choice>> choices_;
};

}  // namespace ht::cuda
