// Products of few tokens with many weight rows (lora_linear_few_cuda.cu): decoding, and the heads of a hypermodel.
#pragma once
#include "ops/lora_linear_low_rank_cuda.cuh"

namespace ht::cuda {

constexpr int64_t kFewTokens = 64;

// y = f(factor * scale[slot] * (x W^T + c B + bias)), W [rows, k].
struct FewWeight {
  const void *w = nullptr, *bias = nullptr;
  void* y = nullptr;
  const float* scale = nullptr;
  int64_t rows = 0, first_tile = 0;
  // Low-rank term: coefficients as floats.
  const float* coefficients = nullptr;
  const void* outer = nullptr;
  Pages pages;
  bool outer_bf16 = false, bias_bf16 = false;
};

struct FewProducts {
  const void* x = nullptr;  // [tokens, k]; null where it is computed, x_dtype then is what it is rounded to
  DType x_dtype = DType::F32, w_dtype = DType::F32, y_dtype = DType::F32;
  int64_t tokens = 0, k = 0;
  float factor = 1;
  bool tanh = false;
  TokenMap slots, scale_slots;
};

// Any number of tokens; weights are read once per 64 of them (per 8 where they are f32). first_tile is filled in.
void few_products(Launcher&, const FewProducts&, FewWeight* weights, int count, const TokenSource& from = StoredTokens{});

}  // namespace ht::cuda
