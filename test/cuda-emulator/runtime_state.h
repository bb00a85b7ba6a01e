// The state behind the runtime's functions. One lock guards it all, the kernels that run included: the device does one thing
// at a time, and any thread of the process may call.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fault.h"
#include "runtime.h"
#include "stream_interface.h"

namespace emulator {

using Operation = std::function<void()>;

// What an operation is, for lists of a graph's nodes: a kernel, or a word.
struct Label {
  const char* word = "other";
  const void* kernel = nullptr;
};
struct Node {
  Operation run;
  Label label;
};

struct Capture {
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  std::vector<Node> nodes;
  std::string illegal;  // what made it invalid; empty while it is not
};

struct Record {  // of an event: done when its stream has run that many operations
  std::shared_ptr<CUstream_st> stream;
  uint64_t after = 0;
  std::shared_ptr<double> seconds;  // when it was reached
};

using Lock = std::lock_guard<std::recursive_mutex>;
std::recursive_mutex& runtime_mutex();

// ---- errors.cc
// Makes `error` the last error of this thread, with the emulator's own words.
cudaError_t report(cudaError_t error, const std::string& text);
// A fault on the device: every call fails from now on, as in a CUDA process whose context is corrupted.
void break_device(const Fault& fault);
// cudaSuccess, or the error that broke it, reported.
cudaError_t broken_error();
// For tests that go on after a fault: as if the process had been started anew.
void mend_device();

// ---- device.cc
// cudaSuccess, or why no call can work here: no driver, no device, a broken device.
cudaError_t device_state();
size_t device_memory_limit();
size_t shared_memory_limit();  // of a block that has asked for it

// ---- memory.cc
enum class Where { Device, Pinned, Pageable };
// Of the memory at p. cudaErrorInvalidValue, reported, if it is the device's but the bytes are not all in one allocation.
cudaError_t locate(const void* p, size_t bytes, Where* where);
bool in_device_memory(const void* p, size_t bytes);
// Breaks the device if a kernel wrote around an allocation.
void check_guards();

// ---- streams.cc
// Null stands for the legacy stream. Reports handles that are not streams.
cudaError_t find_stream(cudaStream_t handle, std::shared_ptr<CUstream_st>* stream);
// At the end of the stream, or into the graph that it captures.
cudaError_t enqueue(CUstream_st& stream, Operation operation, Label label = {});
// Runs the stream's operations until `count` of all that it ever got have run.
void advance(CUstream_st& stream, uint64_t count);
void run_everything();
CUstream_st& legacy_stream();

// ---- capture.cc
// Reports, and invalidates the capture, where this thread must not make such a call now.
cudaError_t refuse_in_capture(const char* call);

}  // namespace emulator

struct CUstream_st : emulator::StreamInterface {
  bool legacy = false, blocking = true;  // blocking: ordered with the legacy stream
  std::deque<emulator::Operation> queue;
  uint64_t enqueued = 0, finished = 0;
  std::unique_ptr<emulator::Capture> capture;
};

namespace emulator {

// What every call of the runtime does first. `name` is null for calls that are allowed during a capture.
template <class F>
cudaError_t call(const char* name, const F& f) {
  const Lock lock(runtime_mutex());
  if (const cudaError_t e = device_state()) return e;
  if (name)
    if (const cudaError_t e = refuse_in_capture(name)) return e;
  return f();
}

}  // namespace emulator
