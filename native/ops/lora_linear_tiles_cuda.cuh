// Products of many tokens with weights and low-rank terms, as lora_linear and its dx need them (lora_linear_tiles_cuda.cu).
#pragma once
#include "ops/lora_linear_low_rank_cuda.cuh"

namespace ht::cuda {

// One summand of an output: x [tokens, k] times a weight, and a low-rank term with its coefficients.
struct ProductTerm {
  const void *x = nullptr, *w = nullptr;
  int64_t k = 0;
  LowRankTerm low;
};

// y = scale[slot] * the sum of its terms.
struct ProductOutput {
  void* y = nullptr;
  int64_t width = 0;
  const float* scale = nullptr;
  int first_term = 0, terms = 0;
  int64_t first_tile = 0;  // for the kernel
};

struct Products {
  int64_t tokens = 0;
  int outputs = 0;
  ProductOutput output[kMaxWeights];
  ProductTerm term[kMaxWeights];
  DType x_dtype = DType::F32, w_dtype = DType::F32, y_dtype = DType::F32;  // x and w: both f32, both bf16, or f32 and bf16
  bool w_rows = true;       // W is [width, k], else [k, width]
  bool accumulate = false;  // add to y
  TokenMap slots, scale_slots;
  int64_t tiles_m = 0, tiles_n = 0;  // for the kernel
};

// How the low-rank coefficients of such products must lie.
inline Coefficients coefficients_for(DType w_dtype) { return w_dtype == DType::BF16 ? Coefficients::Parts : Coefficients::Float; }

void products(Launcher&, Products);

}  // namespace ht::cuda
