// Streams: queues of operations that run as late as is legal.
//
// The legacy stream (null) is ordered with all streams but those made with cudaStreamNonBlocking. A query lets one operation
// happen, so that a loop that polls ends. A fault in an operation breaks the device; what was enqueued is dropped.
#include "runtime_state.h"

#include <algorithm>

#include "schedule.h"

namespace emulator {
namespace {

struct State {
  std::shared_ptr<CUstream_st> legacy = std::make_shared<CUstream_st>();
  std::vector<std::shared_ptr<CUstream_st>> streams;    // in the order they were made
  std::vector<std::shared_ptr<CUstream_st>> destroyed;  // that still have work
  int depth = 0;                                        // of operations that wait for other streams'
};
State& state = *new State;

int enqueue_foreign(StreamInterface* handle, void (*work)(void*), void* data, void (*release)(void*)) {
  const std::shared_ptr<void> owned(data, release);
  return call(nullptr, [&] { return enqueue(*static_cast<CUstream_st*>(handle), [work, owned] { work(owned.get()); }, {"cublas"}); });
}

bool owns_foreign(const void* memory, size_t bytes) {
  const Lock lock(runtime_mutex());
  return in_device_memory(memory, bytes);
}

template <class F>
void for_each_stream(const F& f) {
  f(*state.legacy);
  for (const auto& s : state.streams) f(*s);
  for (const auto& s : state.destroyed) f(*s);
}

void drop_all_work() {
  for_each_stream([](CUstream_st& s) {
    s.queue.clear();
    s.finished = s.enqueued;
  });
}

// What must have run before an operation that is enqueued now.
std::vector<std::pair<std::shared_ptr<CUstream_st>, uint64_t>> implicit_waits(const CUstream_st& stream) {
  std::vector<std::pair<std::shared_ptr<CUstream_st>, uint64_t>> waits;
  const auto wait_for = [&](const std::shared_ptr<CUstream_st>& s) {
    if (s->blocking && s->enqueued > s->finished) waits.emplace_back(s, s->enqueued);
  };
  if (stream.legacy) {
    for (const auto& s : state.streams) wait_for(s);
    for (const auto& s : state.destroyed) wait_for(s);
  } else if (stream.blocking) {
    wait_for(state.legacy);
  }
  return waits;
}

void run_operations(CUstream_st& s, uint64_t count) {
  while (s.finished < count && !s.queue.empty()) {
    const Operation next = std::move(s.queue.front());
    s.queue.pop_front();
    next();
    ++s.finished;
  }
}

cudaError_t make_stream(cudaStream_t* handle, unsigned flags) {
  auto s = std::make_shared<CUstream_st>();
  s->enqueue = enqueue_foreign;
  s->owns = owns_foreign;
  s->blocking = !(flags & cudaStreamNonBlocking);
  *handle = s.get();
  state.streams.push_back(std::move(s));
  return cudaSuccess;
}

}  // namespace

CUstream_st& legacy_stream() {
  state.legacy->legacy = true;
  return *state.legacy;
}

cudaError_t find_stream(cudaStream_t handle, std::shared_ptr<CUstream_st>* stream) {
  if (!handle) legacy_stream();
  if (!handle) *stream = state.legacy;
  for (const auto& s : state.streams)
    if (s.get() == handle) *stream = s;
  return *stream ? cudaSuccess : report(cudaErrorInvalidResourceHandle, "no such stream");
}

std::vector<std::shared_ptr<CUstream_st>> capturing_streams() {
  std::vector<std::shared_ptr<CUstream_st>> found;
  for (const auto& s : state.streams)
    if (s->capture) found.push_back(s);
  return found;
}

cudaError_t enqueue(CUstream_st& stream, Operation operation, Label label) {
  if (stream.capture) {
    if (!stream.capture->illegal.empty()) return report(cudaErrorStreamCaptureInvalidated, stream.capture->illegal);
    stream.capture->nodes.push_back({std::move(operation), label});
    return cudaSuccess;
  }
  if (stream.legacy)
    if (const cudaError_t e = refuse_in_capture("work in the legacy stream")) return e;
  auto waits = implicit_waits(stream);
  if (!waits.empty())
    operation = [waits = std::move(waits), operation = std::move(operation)] {
      for (const auto& [s, count] : waits) advance(*s, count);
      operation();
    };
  stream.queue.push_back(std::move(operation));
  ++stream.enqueued;
  return cudaSuccess;
}

void advance(CUstream_st& stream, uint64_t count) {
  struct Depth {
    Depth() { ++state.depth; }
    ~Depth() { --state.depth; }
  };
  try {
    const Depth depth;
    run_operations(stream, count);
  } catch (const Fault& fault) {
    if (state.depth > 0) throw;
    break_device(fault);
    drop_all_work();
  }
}

// Streams are independent of one another, so their order is the schedule's.
void run_everything() {
  std::vector<std::shared_ptr<CUstream_st>> all{state.legacy};
  all.insert(all.end(), state.streams.begin(), state.streams.end());
  all.insert(all.end(), state.destroyed.begin(), state.destroyed.end());
  if (schedule.blocks == Order::Reverse || schedule.blocks == Order::High) std::reverse(all.begin(), all.end());
  for (const auto& s : all) advance(*s, s->enqueued);
  state.destroyed.clear();
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) { return cudaStreamCreateWithFlags(stream, flags); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call(nullptr, [&] { return make_stream(stream, flags); });
}

// What is enqueued still runs, when something waits for the device.
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (stream->legacy) return report(cudaErrorInvalidResourceHandle, "the legacy stream");
    stream->capture.reset();
    state.streams.erase(std::find(state.streams.begin(), state.streams.end(), stream));
    if (!stream->queue.empty()) state.destroyed.push_back(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call("cudaStreamSynchronize", [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (stream->capture) return report(cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize of a stream that captures");
    for (const auto& [s, count] : implicit_waits(*stream))
      if (stream->legacy) advance(*s, count);
    advance(*stream, stream->enqueued);
    check_guards();
    return device_state();
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call("cudaStreamQuery", [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (stream->capture) return report(cudaErrorStreamCaptureUnsupported, "cudaStreamQuery of a stream that captures");
    if (stream->finished == stream->enqueued) return cudaSuccess;
    advance(*stream, stream->finished + 1);
    if (const cudaError_t e = device_state()) return e;
    return report(cudaErrorNotReady, "the stream has work");
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, void (*function)(void*), void* data) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    return enqueue(*stream, [=] { function(data); });
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", [&] {
    run_everything();
    check_guards();
    return device_state();
  });
}
