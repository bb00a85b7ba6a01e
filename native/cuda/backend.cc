// The backend table over a CUDA device. Every entry takes the lock, but none holds it while it waits for the device. Errors are
// exceptions inside and become a status here.
#include "core/backend.h"

#include <mutex>

#include "cuda/session.h"

namespace ht::cuda {
namespace {

std::mutex mutex;
thread_local std::string error;

// Never destroyed: engines of worker threads may outlive the statics of this library.
Session& session() {
  static Session* s = new Session;
  return *s;
}

template <class F>
HtStatus guarded(const F& f) {
  std::lock_guard<std::mutex> lock(mutex);
  try {
    f();
    return HT_OK;
  } catch (const Failure& failure) {
    error = failure.text;
    return failure.status;
  } catch (const std::exception& e) {
    error = e.what();
    return HT_FAILED;
  }
}

HtStatus probe(void*) {
  return guarded([] { session(); });
}
HtStatus info(void*, HtDeviceInfo* out) {
  return guarded([&] { session().info(out); });
}
HtStatus alloc(void*, size_t bytes, void** out) {
  return guarded([&] { *out = session().alloc(bytes); });
}
void release(void*, void* memory) {
  if (memory) guarded([&] { session().release(memory); });
}
HtStatus copy(void*, void* to, const void* from, size_t bytes, int32_t kind) {
  return guarded([&] { session().copy(to, from, bytes, kind); });
}
HtStatus chains(void*, const HtProgram* program, int32_t* until) {
  return guarded([&] { session().chains(*program, until); });
}
HtStatus prepare(void*, const HtProgram* program, void** plan, size_t* workspace_bytes) {
  return guarded([&] {
    Plan* p = session().prepare(*program);
    *plan = p;
    *workspace_bytes = p->scratch_bytes;
  });
}
void drop(void*, void* plan) { delete static_cast<Plan*>(plan); }
HtStatus bind(void*, void* plan, const HtProgram* program, void** bound) {
  return guarded([&] { *bound = session().bind(*static_cast<Plan*>(plan), *program); });
}
void unbind(void*, void* bound) {
  guarded([&] { session().unbind(static_cast<BoundProgram*>(bound)); });
}
HtStatus run(void*, void* bound, int32_t first, int32_t last) {
  return guarded([&] { session().run(*static_cast<BoundProgram*>(bound), first, last); });
}
HtStatus mark(void*, uint64_t* ticket) {
  return guarded([&] { *ticket = session().mark(); });
}

HtStatus wait(void*, uint64_t ticket) {
  cudaEvent_t event = nullptr;
  guarded([&] { event = session().event_of(ticket); });
  if (!event) return HT_OK;  // something that came later has been waited for
  const cudaError_t waited = cudaEventSynchronize(event);
  return guarded([&] {
    if (waited != cudaSuccess) session().abandon();
    check(waited, "run");
    session().settle(ticket);
  });
}

HtStatus sync(void*) {
  uint64_t ticket = 0, last_run = 0;
  HtStatus status = guarded([&] {
    ticket = session().mark();
    last_run = session().runs();
  });
  if (status == HT_OK) status = wait(nullptr, ticket);
  if (status == HT_OK) status = guarded([&] { session().settle_flags(last_run); });
  return status;
}

const char* last_error(void*) { return error.c_str(); }

}  // namespace
}  // namespace ht::cuda

extern "C" __attribute__((visibility("default"))) HtBackend* ht_open_backend(uint32_t version) {
  using namespace ht::cuda;
  static HtBackend table{sizeof(HtBackend), HT_BACKEND_VERSION, nullptr, probe, info, alloc, release, copy, prepare, drop, bind, unbind, run, mark, sync, last_error, wait, chains};
  return version == HT_BACKEND_VERSION ? &table : nullptr;
}
