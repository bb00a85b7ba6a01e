// The one compute pool of the process, shared by all engines and Node worker threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/function_ref.h"

namespace ht::cpu {

// fn(tile, worker): 0 <= tile < tiles, 0 <= worker < kMaxThreads. Within one parallel() call no two threads share a
// worker number at the same time. Must not throw.
using TileFn = FunctionRef<void(int64_t tile, int worker)>;

constexpr int kMaxThreads = 256;

// Calls fn exactly once per tile and returns when all calls have returned. The calling thread works too (worker 0).
// Tiles are claimed in ascending order from an atomic counter, so a thread that loses its core holds up one tile only.
// A call from inside a tile runs inline on that thread. May be called from several threads at once.
// Results are the same for any thread count as long as the cutting into tiles depends on the shape only.
void parallel(int64_t tiles, const TileFn& fn);

// Threads that one parallel() call may use, the caller included. Starts as the smallest of: CPUs in the affinity mask,
// the cgroup's CPU quota, HYPERTUNE_THREADS (where it is a positive number), kMaxThreads.
int thread_count();

// Clamped to [1, kMaxThreads]. Affects later parallel() calls. Threads are started when first needed.
void set_thread_count(int count);

// 64-byte aligned memory of the calling thread, at least `bytes` long, uninitialised; valid until the next call on the
// same thread. For the inside of a tile. GEMM does not use it.
void* thread_scratch(size_t bytes);

}  // namespace ht::cpu
