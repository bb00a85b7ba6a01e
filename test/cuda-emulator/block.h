// The block that is running: its threads, one fiber each, and who runs next. There is one at a time in the whole process (the
// runtime's lock sees to it); everything here belongs to it.
//
// Found here: a deadlock (no thread can run, with who waits where), an exception that leaves a kernel. When any part of the
// emulator finds a fault, the threads are unwound, destructors included, and run_block throws it.
#pragma once
#include <string>

#include "async_copy.h"
#include "dimensions.h"
#include "fault.h"
#include "fiber.h"
#include "thread_set.h"

namespace emulator {

struct Thread {
  uint3 index;
  int number, lane, warp;
  bool started;
  bool at_barrier;  // else at a warp operation; of threads that wait
  Place place;      // of what it waits for, or did last
  AsyncCopies copies;
  Fiber fiber;
};

// What the kernel is: called by every thread.
struct Body {
  void (*call)(const void*);
  const void* arguments;
};

// threadIdx, blockIdx, blockDim and gridDim read these.
extern Thread* current;
extern uint3 block_index;
extern dim3 block_size, grid_size;
// 0 or 1: which of the two sets of fibers and of shared memory the block uses; more than one only where blocks are unordered.
extern int parity;

// Lives while the blocks of one grid run.
struct GridRun {
  GridRun();
  GridRun(const GridRun&) = delete;
  ~GridRun();
};
// Runs a block of block_size threads to its end; throws Fault.
void run_block(const Body& body);
// Before the first block of a launch.
void seed_schedule(uint64_t seed);
uint64_t schedule_random();

// For the operations that threads call.
int threads_in_block();
int threads_running();  // that have not returned
bool has_returned(int number);
void wake(const ThreadSet& threads);
void wake_lanes(int warp, unsigned mask);
// Others run until somebody wakes the current thread.
void wait(bool at_barrier, Place place);
// The schedule chooses again, perhaps the current thread.
void step_back();
// The fault of the current thread; the others are stopped too.
[[noreturn]] void fail(const std::string& text, Place place, int code = kLaunchFailure);

struct Statistics {
  uint64_t blocks, switches;
};
extern Statistics statistics;

}  // namespace emulator
