#include "cuda/probe.h"

#include <cuda_runtime.h>

namespace ht::cuda {
namespace {

constexpr int kLeastCapability = 80;  // mma.sync on bf16, cp.async

std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

}  // namespace

Probe probe_device() {
  int driver = 0, runtime = 0, count = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  if (driver == 0) return {HT_NO_DRIVER, "there is no NVIDIA driver (libcuda.so.1)"};
  if (driver / 1000 < runtime / 1000) return {HT_DRIVER_TOO_OLD, "the driver serves CUDA " + version(driver) + ", this build needs " + version(runtime)};
  const cudaError_t counted = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && count == 0)) return {HT_NO_DEVICE, "the driver sees no CUDA device"};
  if (counted != cudaSuccess) return {HT_FAILED, std::string("the devices cannot be counted: ") + cudaGetErrorString(counted)};
  cudaDeviceProp p;
  const cudaError_t read = cudaGetDeviceProperties(&p, 0);
  if (read != cudaSuccess) return {HT_FAILED, std::string("device 0 cannot be read: ") + cudaGetErrorString(read)};
  const std::string name = std::string(p.name) + ", capability " + std::to_string(p.major) + "." + std::to_string(p.minor);
  if (p.major * 10 + p.minor < kLeastCapability) return {HT_DEVICE_TOO_OLD, name + ": the kernels need 8.0 or newer"};
  return {HT_OK, name + ", driver " + version(driver) + ", runtime " + version(runtime)};
}

}  // namespace ht::cuda
