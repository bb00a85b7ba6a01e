// Events: points in streams. An event is done when its stream has run what came before its last record.
#include <algorithm>
#include <chrono>

#include "runtime_state.h"

struct CUevent_st {
  unsigned flags = 0;
  bool captured = false;  // the last record went into a graph
  emulator::Record record;
};

namespace emulator {
namespace {

std::vector<std::unique_ptr<CUevent_st>>& events = *new std::vector<std::unique_ptr<CUevent_st>>;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool done(const Record& r) { return !r.stream || r.stream->finished >= r.after; }

cudaError_t find_event(cudaEvent_t handle) {
  for (const auto& e : events)
    if (e.get() == handle) return cudaSuccess;
  return report(cudaErrorInvalidResourceHandle, "no such event");
}

cudaError_t find_recorded(cudaEvent_t handle) {
  if (const cudaError_t e = find_event(handle)) return e;
  return handle->captured ? report(cudaErrorCapturedEvent, "the event was last recorded in a stream that captures") : cudaSuccess;
}

}  // namespace
}  // namespace emulator

using namespace emulator;

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call(nullptr, [&] {
    events.push_back(std::make_unique<CUevent_st>());
    events.back()->flags = flags;
    *event = events.back().get();
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call(nullptr, [&] {
    if (const cudaError_t e = find_event(event)) return e;
    events.erase(std::find_if(events.begin(), events.end(), [&](const auto& e) { return e.get() == event; }));
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_event(event)) return e;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    event->captured = stream->capture != nullptr;
    if (event->captured) return cudaSuccess;
    const auto seconds = std::make_shared<double>(0);
    if (const cudaError_t e = enqueue(*stream, [seconds] { *seconds = now(); })) return e;
    event->record = {stream, stream->enqueued, seconds};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_event(event)) return e;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (stream->capture) {
      if (event->captured) return cudaSuccess;
      stream->capture->illegal = "a captured stream waits for an event of another one";
      return report(cudaErrorStreamCaptureIsolation, stream->capture->illegal);
    }
    if (event->captured) return report(cudaErrorNotSupported, "the emulator captures one stream, without forks");
    const Record record = event->record;
    if (done(record)) return cudaSuccess;
    return enqueue(*stream, [record] { advance(*record.stream, record.after); });
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", [&] {
    if (const cudaError_t e = find_recorded(event)) return e;
    const Record record = event->record;
    if (!done(record)) advance(*record.stream, record.after);
    check_guards();
    return device_state();
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", [&] {
    if (const cudaError_t e = find_recorded(event)) return e;
    const Record record = event->record;
    if (done(record)) return cudaSuccess;
    advance(*record.stream, record.stream->finished + 1);
    if (const cudaError_t e = device_state()) return e;
    return report(cudaErrorNotReady, "the event has not been reached");
  });
}

// The time the emulator took.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return call(nullptr, [&] {
    for (const cudaEvent_t event : {from, to}) {
      if (const cudaError_t e = find_recorded(event)) return e;
      if (!event->record.stream || (event->flags & cudaEventDisableTiming)) return report(cudaErrorInvalidResourceHandle, "the event was not recorded, or without its time");
      if (!done(event->record)) return report(cudaErrorNotReady, "the event has not been reached");
    }
    *milliseconds = static_cast<float>((*to->record.seconds - *from->record.seconds) * 1e3);
    return cudaSuccess;
  });
}
