#include "kernel_launch.h"

#include "launch.h"
#include "runtime_state.h"

namespace emulator {
namespace {

constexpr size_t kWithoutAsking = 48 << 10;
constexpr unsigned kMaxGridX = 0x7fffffff, kMaxGridYZ = 65535, kMaxBlockXY = 1024, kMaxBlockZ = 64;

// Dynamic shared memory that cudaFuncSetAttribute allowed.
std::map<const void*, size_t>& allowed = *new std::map<const void*, size_t>;

// Of static and dynamic shared memory together.
size_t shared_limit(const void* kernel) { return allowed.count(kernel) ? shared_memory_limit() : kWithoutAsking; }

std::string to_string(dim3 d) { return std::to_string(d.x) + " x " + std::to_string(d.y) + " x " + std::to_string(d.z); }

cudaError_t check_launch(const void* kernel, dim3 grid, dim3 block, size_t dynamic_shared) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads < 1 || threads > kMaxThreads || block.x > kMaxBlockXY || block.y > kMaxBlockXY || block.z > kMaxBlockZ)
    return report(cudaErrorInvalidConfiguration, "a block of " + to_string(block) + " threads");
  if (!grid.x || !grid.y || !grid.z || grid.x > kMaxGridX || grid.y > kMaxGridYZ || grid.z > kMaxGridYZ)
    return report(cudaErrorInvalidConfiguration, "a grid of " + to_string(grid) + " blocks");
  const auto asked = allowed.find(kernel);
  const size_t limit = asked == allowed.end() ? kWithoutAsking : asked->second;
  if (dynamic_shared > limit)
    return report(cudaErrorInvalidValue, std::to_string(dynamic_shared) + " bytes of dynamic shared memory: the kernel may have " + std::to_string(limit));
  return cudaSuccess;
}

}  // namespace

cudaError_t enqueue_kernel(const FrozenCall& frozen, dim3 grid, dim3 block, size_t dynamic_shared, cudaStream_t handle) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (const cudaError_t e = check_launch(frozen.kernel, grid, block, dynamic_shared)) return e;
    const Grid g{grid, block, dynamic_shared, shared_limit(frozen.kernel)};
    return enqueue(*stream, [g, frozen] { run_grid(g, {frozen.call, frozen.arguments.get()}); }, {nullptr, frozen.kernel});
  });
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return call(nullptr, [&] {
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 || static_cast<size_t>(value) > shared_memory_limit())
      return report(cudaErrorInvalidValue, std::to_string(value) + " bytes of dynamic shared memory: a block of this device may have " + std::to_string(shared_memory_limit()));
    allowed[kernel] = std::max<size_t>(static_cast<size_t>(value), kWithoutAsking);
    return cudaSuccess;
  });
}
