// Copies and fills.
//
// A copy between pageable host memory and the device is synchronous towards the host memory, as in CUDA: to the device its
// source is taken at once; from the device the call waits. With pinned memory both happen when the stream gets there, so that a
// staging buffer which is used again too early, or read too early, shows. Inside a graph every source is read at each replay.
//
// Found here: a direction that does not fit the pointers, copies that leave an allocation, overlap or meet freed memory.
#include <cstring>

#include "runtime_state.h"

namespace emulator {
namespace {

const char* name_of(Where where) { return where == Where::Device ? "device memory" : where == Where::Pinned ? "pinned memory" : "pageable memory"; }

cudaError_t check_direction(Where to, Where from, cudaMemcpyKind kind) {
  const bool to_device = to == Where::Device, from_device = from == Where::Device;
  const bool fits = kind == cudaMemcpyDefault || ((kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) == to_device && (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice) == from_device);
  return fits ? cudaSuccess : report(cudaErrorInvalidValue, std::string("the direction does not fit a copy from ") + name_of(from) + " to " + name_of(to));
}

struct Ends {
  void* to;
  const void* from;
  size_t bytes;
  Where at_to, at_from;
};

// The device's side may have been freed since the copy was enqueued.
void copy_now(const Ends& c, const void* source) {
  if (c.at_to == Where::Device && !in_device_memory(c.to, c.bytes)) throw Fault(kIllegalAddress, "a copy writes device memory that is no more");
  if (c.at_from == Where::Device && !in_device_memory(c.from, c.bytes)) throw Fault(kIllegalAddress, "a copy reads device memory that is no more");
  std::memcpy(c.to, source, c.bytes);
}

cudaError_t copy_on(CUstream_st& stream, const Ends& c, bool wait) {
  const bool take_now = !stream.capture && c.at_from == Where::Pageable;
  const bool wait_now = !stream.capture && (wait || c.at_to == Where::Pageable);
  cudaError_t e;
  if (take_now && !wait_now) {
    const char* bytes = static_cast<const char*>(c.from);
    const auto taken = std::make_shared<std::vector<char>>(bytes, bytes + c.bytes);
    e = enqueue(stream, [c, taken] { copy_now(c, taken->data()); });
  } else {
    e = enqueue(stream, [c] { copy_now(c, c.from); }, {"copy"});
  }
  if (e || !wait_now) return e;
  advance(stream, stream.enqueued);
  return device_state();
}

cudaError_t check_ends(Ends* c, cudaMemcpyKind kind) {
  if (const cudaError_t e = locate(c->to, c->bytes, &c->at_to)) return e;
  if (const cudaError_t e = locate(c->from, c->bytes, &c->at_from)) return e;
  if (const cudaError_t e = check_direction(c->at_to, c->at_from, kind)) return e;
  const char *to = static_cast<const char*>(c->to), *from = static_cast<const char*>(c->from);
  if (to < from + c->bytes && from < to + c->bytes) return report(cudaErrorInvalidValue, "source and destination overlap");
  return cudaSuccess;
}

cudaError_t fill_on(CUstream_st& stream, void* to, int value, size_t bytes) {
  Where where;
  if (const cudaError_t e = locate(to, bytes, &where)) return e;
  if (where != Where::Device) return report(cudaErrorInvalidValue, "fills what is not device memory");
  return enqueue(stream, [=] {
    if (!in_device_memory(to, bytes)) throw Fault(kIllegalAddress, "a fill writes device memory that is no more");
    std::memset(to, value, bytes);
  }, {"fill"});
}

}  // namespace
}  // namespace emulator

using namespace emulator;

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    Ends c{to, from, bytes, {}, {}};
    if (!bytes) return cudaSuccess;
    if (const cudaError_t e = check_ends(&c, kind)) return e;
    return copy_on(*stream, c, false);
  });
}

// In the legacy stream. Between device memory it does not wait, as in CUDA.
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return call("cudaMemcpy", [&] {
    Ends c{to, from, bytes, {}, {}};
    if (!bytes) return cudaSuccess;
    if (const cudaError_t e = check_ends(&c, kind)) return e;
    return copy_on(legacy_stream(), c, c.at_to != Where::Device || c.at_from != Where::Device);
  });
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t handle) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    return bytes ? fill_on(*stream, to, value, bytes) : cudaSuccess;
  });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return call("cudaMemset", [&] { return bytes ? fill_on(legacy_stream(), to, value, bytes) : cudaSuccess; });
}
