// Device memory and pinned host memory, both from the host's heap.
//
// Found here: use of memory before it is written and after it is freed (0xFF bytes; under AddressSanitizer a report), writes a
// little outside an allocation (guard bytes, compared at every synchronisation; likewise), wrong and double frees, too much of
// it. What is freed is kept back for a while, so that its poison can be read.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "runtime_state.h"
#include "sanitizers.h"

namespace emulator {
namespace {

constexpr size_t kAlign = 256, kGuard = 256;  // aligned to 256 bytes as in CUDA, never to 512
constexpr unsigned char kPoison = 0xFF, kUntouched = 0xC5;
constexpr size_t kKeptBack = 64 << 20;

struct Allocation {
  size_t bytes;
  bool ordered;        // from cudaMallocAsync
  bool freed = false;  // cudaFreeAsync was called, but its stream has not got there
};

struct Freed {
  char* base;
  size_t bytes;
};

struct State {
  std::map<uintptr_t, Allocation> device;
  std::map<uintptr_t, size_t> pinned;
  size_t used = 0;  // of device memory
  std::deque<Freed> kept_back;
  size_t kept_back_bytes = 0;
};
State& state = *new State;

size_t whole(size_t bytes) { return kAlign + (bytes + 2 * kAlign - 1) / kAlign * kAlign; }

char* make_memory(size_t bytes) {
  char* base = static_cast<char*>(::aligned_alloc(2 * kAlign, (whole(bytes) + 2 * kAlign - 1) / (2 * kAlign) * (2 * kAlign)));
  if (!base) return nullptr;
  char* p = base + kAlign;
  std::memset(base, kUntouched, kGuard);
  std::memset(p, kPoison, bytes);
  std::memset(p + bytes, kUntouched, kGuard);
  forbid(base, kGuard);
  forbid(p + bytes, whole(bytes) - kAlign - bytes);
  return p;
}

void drop_memory(void* memory, size_t bytes) {
  char* p = static_cast<char*>(memory);
  allow(p - kAlign, whole(bytes));
  std::memset(p, kPoison, bytes);
  forbid(p - kAlign, whole(bytes));
  state.kept_back.push_back({p - kAlign, bytes});
  state.kept_back_bytes += bytes;
  while (state.kept_back_bytes > kKeptBack) {
    const Freed oldest = state.kept_back.front();
    state.kept_back.pop_front();
    state.kept_back_bytes -= oldest.bytes;
    allow(oldest.base, whole(oldest.bytes));
    ::free(oldest.base);
  }
}

bool guards_untouched(const char* p, size_t bytes) {
  const auto untouched = [](const char* at) {
    return std::all_of(at, at + kGuard, [](char c) { return static_cast<unsigned char>(c) == kUntouched; });
  };
  return untouched(p - kGuard) && untouched(p + bytes);
}

cudaError_t make_device_memory(void** memory, size_t bytes, bool ordered) {
  *memory = nullptr;
  if (!bytes) return cudaSuccess;
  if (bytes > device_memory_limit() || state.used > device_memory_limit() - bytes)
    return report(cudaErrorMemoryAllocation, std::to_string(bytes) + " bytes, " + std::to_string(state.used) + " of " + std::to_string(device_memory_limit()) + " are used");
  *memory = make_memory(bytes);
  if (!*memory) return report(cudaErrorMemoryAllocation, "the host has no such memory");
  state.device[reinterpret_cast<uintptr_t>(*memory)] = {bytes, ordered};
  state.used += bytes;
  return cudaSuccess;
}

void drop_device_memory(void* memory) {
  const auto i = state.device.find(reinterpret_cast<uintptr_t>(memory));
  if (i == state.device.end()) return;
  drop_memory(memory, i->second.bytes);
  state.used -= i->second.bytes;
  state.device.erase(i);
}

// The entry of a map by address that p lies in or begins at; end() if there is none.
template <class Map>
auto entry_of(Map& map, const void* p) {
  const auto i = map.upper_bound(reinterpret_cast<uintptr_t>(p));
  return i == map.begin() ? map.end() : std::prev(i);
}

cudaError_t make_pinned_memory(void** memory, size_t bytes) {
  *memory = make_memory(std::max<size_t>(bytes, 1));
  if (!*memory) return report(cudaErrorMemoryAllocation, "the host has no such memory");
  state.pinned[reinterpret_cast<uintptr_t>(*memory)] = std::max<size_t>(bytes, 1);
  return cudaSuccess;
}

}  // namespace

bool in_device_memory(const void* p, size_t bytes) {
  const auto i = entry_of(state.device, p);
  return i != state.device.end() && reinterpret_cast<uintptr_t>(p) + bytes <= i->first + i->second.bytes;
}

cudaError_t locate(const void* p, size_t bytes, Where* where) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(p);
  const auto device = entry_of(state.device, p);
  if (device != state.device.end() && at < device->first + device->second.bytes) {
    *where = Where::Device;
    if (device->second.freed) return report(cudaErrorInvalidValue, "device memory that cudaFreeAsync was called for");
    if (at + bytes > device->first + device->second.bytes)
      return report(cudaErrorInvalidValue, "goes " + std::to_string(at + bytes - device->first - device->second.bytes) + " bytes past the end of an allocation of " + std::to_string(device->second.bytes));
    return cudaSuccess;
  }
  const auto pinned = entry_of(state.pinned, p);
  *where = pinned != state.pinned.end() && at + bytes <= pinned->first + pinned->second ? Where::Pinned : Where::Pageable;
  return cudaSuccess;
}

void check_guards() {
  if (kAddressSanitizer) return;
  for (const auto& [at, allocation] : state.device) {
    char* p = reinterpret_cast<char*>(at);
    if (guards_untouched(p, allocation.bytes)) continue;
    std::memset(p - kGuard, kUntouched, kGuard);
    std::memset(p + allocation.bytes, kUntouched, kGuard);
    break_device(Fault(kIllegalAddress, "something wrote next to an allocation of " + std::to_string(allocation.bytes) + " bytes"));
  }
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return call("cudaMalloc", [&] { return make_device_memory(memory, bytes, false); });
}

// Waits for the device: nothing that was enqueued before can use memory that is gone.
cudaError_t cudaFree(void* memory) {
  return call("cudaFree", [&] {
    if (!memory) return cudaSuccess;
    const auto i = state.device.find(reinterpret_cast<uintptr_t>(memory));
    if (i == state.device.end() || i->second.freed) return report(cudaErrorInvalidValue, "cudaFree of what is not an allocation");
    run_everything();
    check_guards();
    drop_device_memory(memory);
    return device_state();
  });
}

// In stream order: the memory may be touched once the stream has got here.
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t handle) {
  return call("cudaMallocAsync", [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (const cudaError_t e = make_device_memory(memory, bytes, true)) return e;
    void* p = *memory;
    forbid(p, bytes);
    return enqueue(*stream, [p, bytes] { allow(p, bytes); });
  });
}

// In stream order: when the stream gets here the memory is poisoned.
cudaError_t cudaFreeAsync(void* memory, cudaStream_t handle) {
  return call("cudaFreeAsync", [&] {
    if (!memory) return cudaSuccess;
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    const auto i = state.device.find(reinterpret_cast<uintptr_t>(memory));
    if (i == state.device.end() || !i->second.ordered || i->second.freed) return report(cudaErrorInvalidValue, "cudaFreeAsync of what cudaMallocAsync did not give, or twice");
    i->second.freed = true;
    return enqueue(*stream, [memory] {
      check_guards();
      drop_device_memory(memory);
    });
  });
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  return call("cudaMallocHost", [&] { return make_pinned_memory(memory, bytes); });
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) { return cudaMallocHost(memory, bytes); }

cudaError_t cudaFreeHost(void* memory) {
  return call("cudaFreeHost", [&] {
    if (!memory) return cudaSuccess;
    const auto i = state.pinned.find(reinterpret_cast<uintptr_t>(memory));
    if (i == state.pinned.end()) return report(cudaErrorInvalidValue, "cudaFreeHost of what is not pinned memory");
    run_everything();
    drop_memory(memory, i->second);
    state.pinned.erase(i);
    return device_state();
  });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call(nullptr, [&] {
    *total = device_memory_limit();
    *free = *total - std::min(*total, state.used);
    return cudaSuccess;
  });
}

// The pool gives memory back as soon as it is freed.
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  return call(nullptr, [&] {
    *pool = reinterpret_cast<cudaMemPool_t>(&state);
    return device == 0 ? cudaSuccess : report(cudaErrorInvalidDevice, "there is one device");
  });
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return call(nullptr, [] { return cudaSuccess; });
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  return call(nullptr, [] { return cudaSuccess; });
}
