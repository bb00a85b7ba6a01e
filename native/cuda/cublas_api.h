// Our own declarations of the part of cuBLAS and cuBLASLt (versions 12 and 13) that is called, so that neither headers nor
// libraries are needed to build. cublas_check.cc compares them with the vendor's where its headers are installed.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace ht::cuda::cublas {

using Handle = struct HandleContent*;
using LtHandle = struct LtHandleContent*;
using MatmulDesc = struct MatmulDescContent*;
using MatrixLayout = struct MatrixLayoutContent*;
using Preference = struct PreferenceContent*;

enum class Status : int { Success = 0, NotInitialized = 1, AllocFailed = 3, InvalidValue = 7, ArchMismatch = 8, MappingError = 11, ExecutionFailed = 13, InternalError = 14, NotSupported = 15, LicenseError = 16 };
enum class Operation : int { None = 0, Transpose = 1 };
enum class DataType : int { F32 = 0, BF16 = 14 };  // cudaDataType_t
enum class Compute : int { F32 = 68 };             // no TF32
enum class Math : int { KeepPrecision = 16 };      // sums of splits in the type of the accumulators
enum class Algorithm : int { Default = -1 };
enum class DescAttribute : int { TransA = 3, TransB = 4 };
enum class PreferenceAttribute : int { MaxWorkspaceBytes = 1, ReductionSchemeMask = 3, MinAlignmentA = 5, MinAlignmentB = 6, MinAlignmentC = 7, MinAlignmentD = 8 };
enum class ReductionScheme : uint32_t { ComputeType = 2 };

struct LtAlgorithm {
  uint64_t data[8];
};
struct Heuristic {
  LtAlgorithm algorithm;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(LtAlgorithm) == 64 && sizeof(Heuristic) == 96 && offsetof(Heuristic, state) == 72, "layout that cuBLASLt 12 and 13 share");

// What is looked up by name. Matrices are column-major.
struct Functions {
  Status (*create)(Handle*);
  Status (*destroy)(Handle);
  Status (*set_stream)(Handle, cudaStream_t);
  Status (*set_math_mode)(Handle, Math);
  Status (*set_workspace)(Handle, void*, size_t);
  Status (*get_version)(Handle, int*);
  Status (*gemm_ex)(Handle, Operation, Operation, int m, int n, int k, const void* alpha, const void* a, DataType, int lda, const void* b, DataType, int ldb, const void* beta, void* c, DataType, int ldc, Compute, Algorithm);

  size_t (*lt_version)();
  Status (*lt_create)(LtHandle*);
  Status (*lt_destroy)(LtHandle);
  Status (*desc_create)(MatmulDesc*, Compute, DataType scale);
  Status (*desc_destroy)(MatmulDesc);
  Status (*desc_set)(MatmulDesc, DescAttribute, const void*, size_t);
  Status (*layout_create)(MatrixLayout*, DataType, uint64_t rows, uint64_t columns, int64_t ld);
  Status (*layout_destroy)(MatrixLayout);
  Status (*preference_create)(Preference*);
  Status (*preference_destroy)(Preference);
  Status (*preference_set)(Preference, PreferenceAttribute, const void*, size_t);
  Status (*heuristic)(LtHandle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d, Preference, int wanted, Heuristic*, int* found);
  Status (*matmul)(LtHandle, MatmulDesc, const void* alpha, const void* a, MatrixLayout, const void* b, MatrixLayout, const void* beta, const void* c, MatrixLayout, void* d, MatrixLayout, const LtAlgorithm*, void* workspace, size_t workspace_bytes, cudaStream_t);
};

}  // namespace ht::cuda::cublas
