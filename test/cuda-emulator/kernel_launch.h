// Launching a kernel into a stream: its arguments are copied now, it runs when the stream does.
//
// Found at the call, as in CUDA: grids and blocks out of bounds, more dynamic shared memory than was asked for with
// cudaFuncSetAttribute. Faults of the kernel break the device, and the next call that waits reports them.
#pragma once
#include <memory>
#include <tuple>
#include <type_traits>

#include "dimensions.h"
#include "runtime.h"

namespace emulator {

struct FrozenCall {
  const void* kernel;
  void (*call)(const void* arguments);
  std::shared_ptr<const void> arguments;
};

cudaError_t enqueue_kernel(const FrozenCall& frozen, dim3 grid, dim3 block, size_t dynamic_shared, cudaStream_t stream);

template <class... P, class... A>
cudaError_t launch_kernel(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_shared, cudaStream_t stream, A&&... args) {
  static_assert((std::is_trivially_copyable_v<std::decay_t<P>> && ...), "kernel arguments are copied byte by byte");
  static_assert((sizeof(std::decay_t<P>) + ... + 0) <= 4096, "kernel arguments have 4 KiB");
  using Arguments = std::tuple<void (*)(P...), std::tuple<std::decay_t<P>...>>;
  const auto call = [](const void* frozen) {
    const auto& [function, arguments] = *static_cast<const Arguments*>(frozen);
    std::apply(function, arguments);
  };
  auto arguments = std::make_shared<const Arguments>(kernel, std::tuple<std::decay_t<P>...>(static_cast<P>(args)...));
  return enqueue_kernel({reinterpret_cast<const void*>(kernel), call, std::move(arguments)}, grid, block, dynamic_shared, stream);
}

}  // namespace emulator
