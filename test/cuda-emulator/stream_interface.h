// What every stream handle of the emulated runtime begins with, in C types: how a library that is handed the stream, the
// stand-in cuBLAS, puts its work into stream order. The handle brings the functions along, so that the library need not find
// the emulator: that stands in a shared object which is opened with RTLD_LOCAL, where dlsym(RTLD_DEFAULT) does not look.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

constexpr uint64_t kStreamMagic = 0x6d61657274735f74ull;

struct StreamInterface {
  uint64_t magic = kStreamMagic;
  // work(data) runs when the stream gets there; while the stream captures it is recorded instead, and runs at each replay.
  // release(data) is called when it will not run again. 0, or a cudaError_t: then data has been released.
  int (*enqueue)(StreamInterface* stream, void (*work)(void*), void* data, void (*release)(void*)) = nullptr;
  // Are these bytes inside one allocation of device memory?
  bool (*owns)(const void* memory, size_t bytes) = nullptr;
};

}  // namespace emulator
