// Sample kernels, right but for the one fault that a template argument plants in them.
#pragma once
#include <kernel_env.h>

enum class Plant {
  None,
  NoBarrierBeforeSums,      // row_scale: warp sums are added before all are written
  NoBarrierBeforeScale,     // row_scale: the scale is read before it is written
  BarrierInBranch,          // row_scale: __syncthreads that only some threads reach
  BarrierAfterReturn,       // row_scale: some threads return before a __syncthreads
  ShuffleByTwentyLanes,     // row_scale: a full-mask shuffle that 12 lanes do not take part in
  ShuffleOutsideMask,       // row_scale: reads a lane that the mask does not name
  StaticOverrun,            // row_scale: writes past a static shared array
  NoBarrierAfterLoad,       // tile_product
  NoBarrierBeforeReload,    // tile_product
  DynamicOverrun,           // best_key: reads past dynamic shared memory
  MisalignedVector,         // best_key: float4 from an address that is a multiple of 4
  GlobalOverrun,            // best_key: reads past a buffer
  NoBarrierAfterKeys,       // best_key: keys are read before they are loaded
  NoBarrierBeforeKeys,      // best_key: keys are loaded over ones that are still read
  NoBarrierAfterWait,       // pipeline: other threads' cp.async are not waited for
  NoBarrierBeforeRefill,    // pipeline: a buffer is filled again while others read it
  WaitOneShort,             // pipeline: cp.async.wait_group leaves one group too many
  MisalignedCopy,           // pipeline: cp.async of 16 bytes to an address that is a multiple of 4
  NoBarrierBeforeCounts,    // histogram
  UninitialisedShared,      // histogram
  BlocksAddWithoutAtomic,   // histogram: blocks add to one cell
  FirstBlockAssumed,        // histogram: block 0 is thought to run first
  NoSyncwarp,               // warp_reverse: lanes exchange through shared memory
};

constexpr int kThreads = 64, kWidth = 200;

template <class T>
__device__ T sum_of_warp(T v) {
  for (int o = 16; o > 0; o /= 2) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}

// y[row, j] = x[row, j] * (1 + sum of the row); a block per row.
template <Plant plant>
__global__ void __launch_bounds__(kThreads) row_scale_kernel(const float* x, float* y) {
  SHARED(float, sums, [2]);
  SHARED(float, scale);
  const int t = threadIdx.x;
  const float* row = x + blockIdx.x * kWidth;
  float sum = 0;
  for (int j = t; j < kWidth; j += kThreads) sum += row[j];
  sum = sum_of_warp(sum);
  if (t % 32 == 0) sums[t / 32] = sum;
  if (plant == Plant::BarrierAfterReturn && t >= 48) return;
  if (plant != Plant::NoBarrierBeforeSums) __syncthreads();
  if (t == 0) scale = 1 + sums[0] + sums[1];
  if (plant != Plant::NoBarrierBeforeScale) __syncthreads();
  if (plant == Plant::BarrierInBranch && t < 40) __syncthreads();
  if (plant == Plant::ShuffleByTwentyLanes && t % 32 < 20) sum = sum_of_warp(sum);
  if (plant == Plant::ShuffleOutsideMask && t == 3) sum = __shfl_sync(0x0000ffffu, sum, 20);
  if (plant == Plant::StaticOverrun && t == 3) sums[blockIdx.x + 3] = sum;
  for (int j = t; j < kWidth; j += kThreads) y[blockIdx.x * kWidth + j] = row[j] * scale;
}

// c = a b, 16 x 16 by way of 8 x 8 tiles; a block per tile of c, a thread per element.
constexpr int kSide = 16, kTile = 8;
template <Plant plant>
__global__ void __launch_bounds__(kThreads) tile_product_kernel(const float* a, const float* b, float* c) {
  SHARED(float, tile_a, [kTile][kTile + 1]);
  SHARED(float, tile_b, [kTile][kTile + 1]);
  const int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * kTile + y, column = blockIdx.x * kTile + x;
  float sum = 0;
  for (int k = 0; k < kSide; k += kTile) {
    tile_a[y][x] = a[row * kSide + k + x];
    tile_b[y][x] = b[(k + y) * kSide + column];
    if (plant != Plant::NoBarrierAfterLoad) __syncthreads();
    for (int i = 0; i < kTile; ++i) sum += tile_a[y][i] * tile_b[i][x];
    if (plant != Plant::NoBarrierBeforeReload) __syncthreads();
  }
  c[row * kSide + column] = sum;
}

// best[q] = the largest dot product of query q with any key; a warp per query, a lane per key of a tile of 32.
constexpr int kKeys = 96, kDepth = 8, kStride = kDepth + 1;
template <Plant plant>
__global__ void __launch_bounds__(kThreads) best_key_kernel(const float* queries, const float* keys, float* best) {
  DYN_SHARED(float, tile);
  const int lane = threadIdx.x % 32, q = blockIdx.x * 2 + threadIdx.x / 32;
  float most = -INFINITY;
  for (int k0 = 0; k0 < kKeys; k0 += 32) {
    if (plant != Plant::NoBarrierBeforeKeys) __syncthreads();
    for (int i = threadIdx.x; i < 32 * kDepth; i += kThreads) tile[i / kDepth * kStride + i % kDepth] = keys[k0 * kDepth + i];
    if (plant != Plant::NoBarrierAfterKeys) __syncthreads();
    float dot = 0;
    for (int d = 0; d < kDepth; ++d) dot += queries[q * kDepth + d] * tile[lane * kStride + d];
    most = fmaxf(most, dot);
  }
  if (plant == Plant::DynamicOverrun && lane == 0) best[q] = tile[32 * kStride + 2];
  if (plant == Plant::MisalignedVector && lane == 0) best[q] = reinterpret_cast<const float4*>(tile + kStride)->x;
  if (plant == Plant::GlobalOverrun && lane == 0) best[q] = keys[kKeys * kDepth + 1];
  for (int o = 16; o > 0; o /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, o));
  if (lane == 0) best[q] = most;
}

// sums[t] = sum over all tiles of the element that the thread opposite t has loaded; two buffers, filled one step ahead.
constexpr int kSteps = 6, kPerThread = 4;
template <Plant plant>
__global__ void __launch_bounds__(kThreads) pipeline_kernel(const float* in, float* sums) {
  DYN_SHARED(float, buffers);
  const int t = threadIdx.x, tile = kThreads * kPerThread;
  const auto load = [&](int step) {
    const int at = plant == Plant::MisalignedCopy ? 1 : 0;
    dev::cp_async<16>(buffers + step % 2 * tile + t * kPerThread + at, in + step * tile + t * kPerThread);
    dev::cp_async_commit();
  };
  float sum = 0;
  load(0);
  for (int step = 0; step < kSteps; ++step) {
    if (step + 1 < kSteps) {
      load(step + 1);
      dev::cp_async_wait<plant == Plant::WaitOneShort ? 2 : 1>();
    } else {
      dev::cp_async_wait<0>();
    }
    if (plant != Plant::NoBarrierAfterWait) __syncthreads();
    for (int i = 0; i < kPerThread; ++i) sum += buffers[step % 2 * tile + (kThreads - 1 - t) * kPerThread + i];
    sum_of_warp(sum);  // keeps the lanes of a warp together: only a warp that gets ahead of another does harm
    if (plant != Plant::NoBarrierBeforeRefill) __syncthreads();
  }
  sums[t] = sum;
}

// Counts per bin, in shared memory first; a few blocks.
constexpr int kBins = 7, kValues = 500, kBlocks = 3;
template <Plant plant>
__global__ void __launch_bounds__(kThreads) histogram_kernel(const int* values, int* counts) {
  DYN_SHARED(int, mine);
  if (plant != Plant::UninitialisedShared && threadIdx.x < kBins) mine[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * kThreads + threadIdx.x; i < kValues; i += kBlocks * kThreads) atomicAdd(&mine[values[i]], 1);
  if (plant != Plant::NoBarrierBeforeCounts) __syncthreads();
  if (threadIdx.x >= kBins) return;
  int* count = counts + threadIdx.x;
  if (plant == Plant::BlocksAddWithoutAtomic) *count += mine[threadIdx.x];
  else if (plant == Plant::FirstBlockAssumed) *count = (blockIdx.x ? *count : 0) + mine[threadIdx.x];
  else atomicAdd(count, mine[threadIdx.x]);
}

// y[lane] = x[31 - lane], warp by warp, twice through the same memory.
template <Plant plant>
__global__ void __launch_bounds__(kThreads) warp_reverse_kernel(const float* x, float* y) {
  SHARED(float, box, [kThreads]);
  const int t = threadIdx.x;
  box[t] = x[t];
  if (plant != Plant::NoSyncwarp) __syncwarp();
  y[t] = box[t ^ 31];
}
