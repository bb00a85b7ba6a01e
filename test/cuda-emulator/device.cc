// The one device and the environment that it pretends to stand in. Tests choose it with variables, read at every call:
//
//   HT_EMULATED_DRIVER      the CUDA version that the driver serves, "13.0"; "none": no driver
//   HT_EMULATED_DEVICES     how many devices the driver sees, 0 or 1
//   HT_EMULATED_CAPABILITY  "8.0"; from 9.0 on a block may have 227 KiB of shared memory instead of 163
//   HT_EMULATED_MEMORY      bytes of device memory
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime_state.h"

namespace emulator {
namespace {

// "13.0" as 13000 + 0 * 10, CUDA's way to write versions.
int version_of(const char* variable, const char* otherwise) {
  const char* text = std::getenv(variable);
  int major = 0, minor = 0;
  std::sscanf(text ? text : otherwise, "%d.%d", &major, &minor);
  return major * 1000 + minor * 10;
}

int driver_version() { return version_of("HT_EMULATED_DRIVER", "13.0"); }
int capability() { return version_of("HT_EMULATED_CAPABILITY", "8.0") / 10; }  // 800 for 8.0

bool has_device() {
  const char* count = std::getenv("HT_EMULATED_DEVICES");
  return !count || std::atoi(count) > 0;
}

cudaError_t driver_state() {
  if (driver_version() == 0) return report(cudaErrorInsufficientDriver, "there is no driver");
  if (driver_version() / 1000 < CUDART_VERSION / 1000) return report(cudaErrorInsufficientDriver, "the driver is older than the runtime");
  if (!has_device()) return report(cudaErrorNoDevice, "HT_EMULATED_DEVICES is 0");
  return cudaSuccess;
}

constexpr int kMultiprocessors = 4;

}  // namespace

cudaError_t device_state() {
  if (const cudaError_t e = broken_error()) return e;
  return driver_state();
}

size_t device_memory_limit() {
  const char* bytes = std::getenv("HT_EMULATED_MEMORY");
  return bytes ? static_cast<size_t>(std::atoll(bytes)) : size_t{8} << 30;
}

size_t shared_memory_limit() { return capability() >= 900 ? 227 << 10 : 163 << 10; }

}  // namespace emulator

using namespace emulator;

cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return call(nullptr, [&] {
    *count = 1;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call(nullptr, [&] {
    *device = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call(nullptr, [&] { return device == 0 ? cudaSuccess : report(cudaErrorInvalidDevice, "there is one device"); });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  return call(nullptr, [&] {
    if (device != 0) return report(cudaErrorInvalidDevice, "there is one device");
    *p = cudaDeviceProp{};
    std::strcpy(p->name, "emulated device");
    p->totalGlobalMem = device_memory_limit();
    p->sharedMemPerBlock = 48 << 10;
    p->sharedMemPerBlockOptin = shared_memory_limit();
    p->sharedMemPerMultiprocessor = shared_memory_limit() + 1024;
    p->regsPerBlock = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->multiProcessorCount = kMultiprocessors;
    p->l2CacheSize = 40 << 20;
    p->major = capability() / 100;
    p->minor = capability() % 100;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t e = cudaGetDeviceProperties(&p, device)) return e;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(p.sharedMemPerBlockOptin); break;
  }
  return cudaSuccess;
}
