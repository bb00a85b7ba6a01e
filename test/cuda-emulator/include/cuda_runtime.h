// In place of the toolkit's header: the emulated runtime, and the words of the CUDA language.
//
// Not there, so that using them does not compile: __shared__ (use SHARED and DYN_SHARED), __constant__, cooperative groups,
// textures, device printf and malloc, dynamic parallelism.
#pragma once
#include "../barrier.h"
#include "../block.h"
#include "../device_functions.h"
#include "../dimensions.h"
#include "../runtime.h"
#include "../vector_types.h"
#include "../warp_functions.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#define threadIdx (::emulator::current->index)
#define blockIdx (::emulator::block_index)
#define blockDim (::emulator::block_size)
#define gridDim (::emulator::grid_size)
