// The stand-in for libcublas: the part of its interface that native/cuda calls.
#include <algorithm>
#include <cstdlib>

#include "product.h"

namespace {

// Of its workspace the stand-in uses the beginning.
constexpr size_t kWorkspaceUsed = 64 << 10;

struct Handle {
  emulator::StreamInterface* stream = nullptr;
  MathMode math = kMathDefault;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
};

// A leading dimension holds a column as stored.
bool fits(int ld, bool transposed, int rows, int columns) { return ld >= std::max(1, transposed ? columns : rows); }

}  // namespace

CUBLAS_API Status cublasCreate_v2(Handle** handle) {
  *handle = new Handle;
  return kSuccess;
}
CUBLAS_API Status cublasDestroy_v2(Handle* handle) {
  delete handle;
  return kSuccess;
}
CUBLAS_API Status cublasGetVersion_v2(Handle*, int* version) {
  *version = STAND_IN_VERSION;
  return kSuccess;
}
// Forgets the workspace, as the real one does.
CUBLAS_API Status cublasSetStream_v2(Handle* handle, emulator::StreamInterface* stream) {
  handle->stream = stream;
  handle->workspace = nullptr;
  handle->workspace_bytes = 0;
  return kSuccess;
}
CUBLAS_API Status cublasSetMathMode(Handle* handle, MathMode mode) {
  handle->math = mode;
  return kSuccess;
}
CUBLAS_API Status cublasSetWorkspace_v2(Handle* handle, void* workspace, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(workspace) % 256) return kInvalidValue;
  handle->workspace = workspace;
  handle->workspace_bytes = std::min(bytes, kWorkspaceUsed);
  return kSuccess;
}

CUBLAS_API Status cublasGemmStridedBatchedEx(Handle* handle, Operation ta, Operation tb, int m, int n, int k, const void* alpha, const void* a, DataType type_a, int lda, long long stride_a,
                                             const void* b, DataType type_b, int ldb, long long stride_b, const void* beta, void* c, DataType type_c, int ldc, long long stride_c, int batch,
                                             Compute compute, int) {
  if (!handle) return kNotInitialized;
  if (m < 0 || n < 0 || k < 0 || batch < 0) return kInvalidValue;
  if (!fits(lda, ta != kNone, m, k) || !fits(ldb, tb != kNone, k, n) || !fits(ldc, false, m, n)) return kInvalidValue;
  if (!types_supported(type_a, type_b, type_c, compute)) return kNotSupported;
  const Matrix out{c, type_c, ldc, stride_c};
  const bool tf32 = compute == kCompute32FFastTf32 || (handle->math == kMathTf32 && compute == kCompute32F && type_a == kF32);
  return enqueue(handle->stream, {m, n, k, batch, ta != kNone, tb != kNone, {a, type_a, lda, stride_a}, {b, type_b, ldb, stride_b}, out, out, *static_cast<const float*>(alpha),
                                  *static_cast<const float*>(beta), tf32, handle->workspace, handle->workspace_bytes});
}

CUBLAS_API Status cublasGemmEx(Handle* handle, Operation ta, Operation tb, int m, int n, int k, const void* alpha, const void* a, DataType type_a, int lda, const void* b, DataType type_b, int ldb,
                               const void* beta, void* c, DataType type_c, int ldc, Compute compute, int algorithm) {
  return cublasGemmStridedBatchedEx(handle, ta, tb, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c, type_c, ldc, 0, 1, compute, algorithm);
}
