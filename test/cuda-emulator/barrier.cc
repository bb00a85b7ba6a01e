#include "barrier.h"

#include "block.h"
#include "schedule.h"

namespace emulator {
namespace {

constexpr int kWholeBlock = -1;

struct Barrier {
  int arrived = 0, expected = kWholeBlock;
  Place place;  // of the first that arrived
  ThreadSet waiting;
  Votes voting, voted;
  unsigned generation = 0;
  char tags[2] = {};  // for ThreadSanitizer, by generation
};

Barrier barriers[kBarriers];
unsigned used = 0;  // bit i: barriers[i] has been used by this block

bool full(const Barrier& b) { return b.arrived > 0 && b.arrived >= (b.expected == kWholeBlock ? threads_running() : b.expected); }

void open(Barrier& b) {
  const int returned = threads_in_block() - threads_running();
  if (b.expected == kWholeBlock && returned > 0)
    fail(std::to_string(returned) + " threads of the block returned without reaching the __syncthreads that others are at", b.place);
  wake(b.waiting);
  b.waiting.clear();
  b.voted = b.voting;
  b.voting = Votes();
  b.arrived = 0;
  ++b.generation;
}

void arrive(int id, int expected, bool wait_too, Place place) {
  Barrier& b = barriers[id];
  used |= 1u << id;
  if (b.arrived > 0 && expected == kWholeBlock && b.place != place) fail("divergent __syncthreads: other threads of the block wait at that of " + to_string(b.place), place);
  if (b.arrived > 0 && b.expected != expected) fail("barrier " + std::to_string(id) + " of " + std::to_string(expected) + " threads: others wait for " + std::to_string(b.expected), place);
  if (b.arrived++ == 0) {
    b.place = place;
    b.expected = expected;
  }
  if (full(b)) {
    open(b);
    // Round robin goes on with this thread; the other orders may have a better one.
    if (wait_too && schedule.threads != Order::Forward && schedule.threads != Order::Reverse) step_back();
  } else if (wait_too) {
    b.waiting.add(current->number);
    wait(true, place);
  }
}

// The happens-before edge: all that arrive release, all that leave acquire.
void sync(int id, int expected, bool wait_too, Place place) {
  char* tag;
  {
    const Quiet quiet;
    tag = &barriers[id].tags[barriers[id].generation % 2];
  }
  release(tag);
  {
    const Quiet quiet;
    arrive(id, expected, wait_too, place);
  }
  if (wait_too) acquire(tag);
}

void check_named(int id, int threads, Place place) {
  if (id < 1 || id >= kBarriers) fail("named barriers are 1 to 15", place);
  if (threads < kLanes || threads % kLanes) fail("a named barrier is of whole warps", place);
}

}  // namespace

Votes sync_block(int vote, Place place) {
  {
    const Quiet quiet;
    Votes& v = barriers[0].voting;
    v.count += vote != 0;
    v.any |= vote != 0;
    v.all &= vote != 0;
  }
  sync(0, kWholeBlock, true, place);
  const Quiet quiet;
  return barriers[0].voted;
}

void sync_named(int id, int threads, Place place) {
  check_named(id, threads, place);
  sync(id, threads, true, place);
}

void arrive_named(int id, int threads, Place place) {
  check_named(id, threads, place);
  sync(id, threads, false, place);
}

void reset_barriers() {
  for (; used; used &= used - 1) {
    Barrier& b = barriers[__builtin_ctz(used)];
    b.arrived = 0;
    b.waiting.clear();
    b.voting = Votes();
  }
}

void leave_barriers() {
  for (unsigned left = used; left; left &= left - 1) {
    Barrier& b = barriers[__builtin_ctz(left)];
    if (full(b)) open(b);
  }
}

}  // namespace emulator
