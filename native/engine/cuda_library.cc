#include "engine/cuda_library.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "core/error.h"

namespace ht {
namespace {

struct Loaded {
  HtBackend* backend = nullptr;
  HtStatus status = HT_OK;
  std::string text;
};

Loaded load(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return {nullptr, HT_NO_LIBRARY, std::string("the CUDA backend does not load: ") + dlerror()};
  const auto open = reinterpret_cast<HtOpenBackend>(dlsym(library, HT_OPEN_BACKEND));
  HtBackend* backend = open ? open(HT_BACKEND_VERSION) : nullptr;
  if (!backend) return {nullptr, HT_LIBRARY_VERSION, path + " was built for another version of this package"};
  return {backend, HT_OK, ""};
}

}  // namespace

void throw_status(HtStatus status, const char* text) {
  const char* code = "INTERNAL";
  switch (status) {
    case HT_NO_MEMORY: code = "MEMORY_LIMIT"; break;
    case HT_NO_DRIVER: code = "CUDA_NO_DRIVER"; break;
    case HT_DRIVER_TOO_OLD: code = "CUDA_DRIVER_TOO_OLD"; break;
    case HT_NO_DEVICE: code = "CUDA_NO_DEVICE"; break;
    case HT_DEVICE_TOO_OLD: code = "CUDA_DEVICE_TOO_OLD"; break;
    case HT_NO_CUBLAS: code = "CUBLAS_NOT_FOUND"; break;
    case HT_CUBLAS_VERSION: code = "CUBLAS_VERSION"; break;
    case HT_NO_LIBRARY: code = "CUDA_NOT_BUILT"; break;
    case HT_LIBRARY_VERSION: code = "CUDA_LIBRARY_VERSION"; break;
  }
  throw Error(code, "device", std::string(text) + ".");
}

void require_device(HtBackend* backend) {
  const HtStatus status = backend->probe(backend->self);
  if (status == HT_OK) return;
  const char* text = backend->last_error(backend->self);
  if (status == HT_FAILED) throw Error("DEVICE_UNAVAILABLE", "device", std::string(text) + ".");
  throw_status(status, text);
}

// Never closed: what it has loaded into the process stays.
HtBackend* cuda_backend(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, Loaded> loaded;
  std::lock_guard<std::mutex> lock(mutex);
  auto it = loaded.find(path);
  if (it == loaded.end()) it = loaded.emplace(path, load(path)).first;
  if (!it->second.backend) throw_status(it->second.status, it->second.text.c_str());
  return it->second.backend;
}

}  // namespace ht
