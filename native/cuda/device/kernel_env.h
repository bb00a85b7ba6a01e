// What a kernel file includes under nvcc: the toolkit, and PTX instructions as functions. Tests build the same kernels with
// an emulator, whose header of the same name comes first on the include path; a kernel may use only what both have.
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

// SHARED(float, tile, [32][33]): a static shared array. DYN_SHARED(float, p): the dynamic shared memory of the launch.
#define SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define DYN_SHARED(T, name)                                              \
  extern __shared__ __align__(16) unsigned char dynamic_shared_bytes_[]; \
  T* name = reinterpret_cast<T*>(dynamic_shared_bytes_)

namespace dev {

// d = a b + c on tensor cores: a 16 x 16 (row), b 16 x 8 (column), fragments laid out as in the PTX ISA, 9.7.14.5.8.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%10,%11,%12,%13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}

// N 8 x 8 matrices of 16-bit elements from shared memory; lane 8 i + j gives the 16-byte aligned address of row j of matrix i.
template <int N, bool Trans = false>
__device__ __forceinline__ void ldmatrix(uint32_t (&r)[N], const void* row) {
  static_assert(N == 2 || N == 4, "ldmatrix");
  const uint32_t p = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (N == 4 && !Trans) asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(p) : "memory");
  if constexpr (N == 4 && Trans) asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(p) : "memory");
  if constexpr (N == 2 && !Trans) asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1},[%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(p) : "memory");
  if constexpr (N == 2 && Trans) asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1},[%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(p) : "memory");
}

// Copies Bytes (4, 8 or 16, both sides so aligned) from global to shared memory without passing registers; of them the first
// src_bytes are read and the rest is zero.
template <int Bytes>
__device__ __forceinline__ void cp_async(void* shared, const void* global, int src_bytes = Bytes) {
  const uint32_t p = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  if constexpr (Bytes == 16) asm volatile("cp.async.cg.shared.global [%0],[%1],%2,%3;" ::"r"(p), "l"(global), "n"(Bytes), "r"(src_bytes) : "memory");
  else asm volatile("cp.async.ca.shared.global [%0],[%1],%2,%3;" ::"r"(p), "l"(global), "n"(Bytes), "r"(src_bytes) : "memory");
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most Pending of this thread's committed groups are still under way.
template <int Pending>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_shared, cudaStream_t stream, A&&... args) {
  kernel<<<grid, block, dynamic_shared, stream>>>(static_cast<P>(args)...);
  return cudaGetLastError();
}

}  // namespace dev
