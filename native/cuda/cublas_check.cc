// Compiled only where cuBLAS's own headers are installed: our declarations against them.
#include <cublasLt.h>
#include <cublas_v2.h>

#include <type_traits>

#include "cuda/cublas_api.h"

namespace ht::cuda::cublas {
namespace {

template <class Theirs, class Ours>
constexpr bool equal(Theirs theirs, Ours ours) {
  return static_cast<int>(theirs) == static_cast<int>(ours);
}

static_assert(equal(CUBLAS_STATUS_SUCCESS, Status::Success) && equal(CUBLAS_STATUS_NOT_SUPPORTED, Status::NotSupported) && equal(CUBLAS_STATUS_INVALID_VALUE, Status::InvalidValue), "status");
static_assert(equal(CUBLAS_OP_N, Operation::None) && equal(CUBLAS_OP_T, Operation::Transpose), "operation");
static_assert(equal(CUDA_R_32F, DataType::F32) && equal(CUDA_R_16BF, DataType::BF16), "types");
static_assert(equal(CUBLAS_COMPUTE_32F, Compute::F32) && equal(CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION, Math::KeepPrecision) && equal(CUBLAS_GEMM_DEFAULT, Algorithm::Default), "modes");
static_assert(equal(CUBLASLT_MATMUL_DESC_TRANSA, DescAttribute::TransA) && equal(CUBLASLT_MATMUL_DESC_TRANSB, DescAttribute::TransB), "descriptor");
static_assert(equal(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, PreferenceAttribute::MaxWorkspaceBytes) && equal(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, PreferenceAttribute::ReductionSchemeMask), "preference");
static_assert(equal(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, PreferenceAttribute::MinAlignmentA) && equal(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, PreferenceAttribute::MinAlignmentD), "preference");
static_assert(equal(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, ReductionScheme::ComputeType), "reduction scheme");
static_assert(sizeof(cublasLtMatmulAlgo_t) == sizeof(LtAlgorithm) && sizeof(cublasLtMatmulHeuristicResult_t) == sizeof(Heuristic), "sizes");
static_assert(offsetof(cublasLtMatmulHeuristicResult_t, state) == offsetof(Heuristic, state), "layout");

// Number of parameters and their sizes: enough that a call passes each where the other side expects it.
template <class R, class... P, class S, class... Q>
constexpr bool compatible(R (*)(P...), S (*)(Q...)) {
  if constexpr (sizeof...(P) != sizeof...(Q)) return false;
  else return sizeof(R) == sizeof(S) && ((sizeof(P) == sizeof(Q)) && ...);
}
constexpr Functions kOurs{};
#define CHECK(theirs, ours) static_assert(compatible(decltype(&theirs){}, kOurs.ours), #theirs)
CHECK(cublasCreate_v2, create);
CHECK(cublasDestroy_v2, destroy);
CHECK(cublasSetStream_v2, set_stream);
CHECK(cublasSetMathMode, set_math_mode);
CHECK(cublasSetWorkspace_v2, set_workspace);
CHECK(cublasGetVersion_v2, get_version);
CHECK(cublasLtGetVersion, lt_version);
CHECK(cublasLtCreate, lt_create);
CHECK(cublasLtDestroy, lt_destroy);
CHECK(cublasLtMatmulDescCreate, desc_create);
CHECK(cublasLtMatmulDescDestroy, desc_destroy);
CHECK(cublasLtMatmulDescSetAttribute, desc_set);
CHECK(cublasLtMatrixLayoutCreate, layout_create);
CHECK(cublasLtMatrixLayoutDestroy, layout_destroy);
CHECK(cublasLtMatmulPreferenceCreate, preference_create);
CHECK(cublasLtMatmulPreferenceDestroy, preference_destroy);
CHECK(cublasLtMatmulPreferenceSetAttribute, preference_set);
CHECK(cublasLtMatmulAlgoGetHeuristic, heuristic);
CHECK(cublasLtMatmul, matmul);
#undef CHECK
// Overloaded in C++, so by a call.
static_assert(std::is_same_v<decltype(cublasGemmEx(cublasHandle_t{}, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, nullptr, nullptr, CUDA_R_32F, 1, nullptr, CUDA_R_32F, 1, nullptr, nullptr, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT)), cublasStatus_t>, "cublasGemmEx");

}  // namespace
}  // namespace ht::cuda::cublas
