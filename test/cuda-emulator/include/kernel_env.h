// In place of native/cuda/device/kernel_env.h: the same functions, emulated.
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "../kernel_launch.h"
#include "../ptx.h"
#include "../shared_memory.h"

namespace dev {

using emulator::cp_async;
using emulator::cp_async_commit;
using emulator::cp_async_wait;
using emulator::ldmatrix;

inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4], emulator::Place place = EMULATOR_HERE) {
  emulator::mma_m16n8k16(emulator::Half::bf16, d, a, b, c, place);
}

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_shared, cudaStream_t stream, A&&... args) {
  emulator::launch_kernel(kernel, grid, block, dynamic_shared, stream, static_cast<A&&>(args)...);
  return cudaGetLastError();
}

}  // namespace dev
