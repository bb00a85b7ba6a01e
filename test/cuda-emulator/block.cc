#include "block.h"

#include <cstdlib>
#include <memory>
#include <vector>

#include "barrier.h"
#include "schedule.h"
#include "warp.h"

namespace emulator {

Thread* current = nullptr;
uint3 block_index{};
dim3 block_size, grid_size;
int parity = 0;
Statistics statistics{};

namespace {

struct Abandoned {};  // thrown in threads that wait when another one failed

// Never destroyed: a device outlives the statics of the programs that use it.
struct State {
  std::vector<std::unique_ptr<Thread>> sets[2];
  Fiber host;  // the OS thread that runs the kernel
  ThreadSet ready, returned;
  int count = 0, running = 0;
  dim3 numbered[2] = {0, 0};  // the block size that the threads' indices are of
  const Body* body = nullptr;
  bool failed = false, abandoning = false;
  std::string text;
  int code = 0;
  uint64_t random = 1;
  // For ThreadSanitizer: a grid's begin happens before its threads, a block before the next one of the same parity, all of them
  // before the grid's end. Blocks take turns with two tags, so that a thread is not ordered after others of its own block.
  char begun = 0, ended[2][2] = {};
  char *before = nullptr, *after = nullptr;  // of the running block
  unsigned blocks[2] = {};                   // by parity
};
State& state = *new State;

Thread& thread(int number) { return *state.sets[parity][number]; }

std::string describe(uint3 i) { return std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z); }

void note_fault(const std::string& text, int code) {
  if (state.failed) return;
  state.failed = true;
  state.text = text;
  state.code = code;
}

void note_deadlock() {
  std::string who;
  int named = 0, waiting = 0;
  for (int i = 0; i < state.count; ++i) {
    if (has_returned(i)) continue;
    ++waiting;
    const Thread& t = thread(i);
    if (named++ < 4) who += (who.empty() ? " thread " : ", thread ") + describe(t.index) + (t.at_barrier ? " at the barrier of " : " at the warp operation of ") + to_string(t.place);
  }
  note_fault("deadlock in block " + describe(block_index) + ": " + std::to_string(waiting) + " threads wait for ever:" + who + (waiting > 4 ? ", ..." : ""), kLaunchFailure);
}

// Who runs next; null if nobody can.
Thread* pick() {
  const ThreadSet& ready = state.ready;
  if (ready.empty()) return nullptr;
  switch (schedule.threads) {
    case Order::Forward: return &thread(ready.from(current ? current->number : 0));
    case Order::Reverse: return &thread(ready.down_from(current ? current->number : state.count - 1));
    case Order::Low: return &thread(ready.first());
    case Order::High: return &thread(ready.last());
    case Order::Random: return &thread(ready.at(static_cast<int>(schedule_random() % static_cast<uint64_t>(ready.count()))));
  }
  return nullptr;
}

void switch_to(Thread& next) {
  Thread& me = *current;
  if (&next == &me) return;
  ++statistics.switches;
  current = &next;
  me.fiber.switch_to(next.fiber);
  if (state.abandoning) throw Abandoned{};
}

// The current thread has returned, or was abandoned. Who goes on: another thread; after the last and after a fault the host.
Fiber& leave() {
  const Quiet quiet;
  const Thread& me = *current;
  state.ready.remove(me.number);
  state.returned.add(me.number);
  --state.running;
  if (!state.failed) {
    try {
      leave_warp(me);
      leave_barriers();
    } catch (const Abandoned&) {
    }
  }
  Thread* next = state.failed ? nullptr : pick();
  if (!next && !state.failed && state.running > 0) note_deadlock();
  current = next;
  ++statistics.switches;
  return next ? next->fiber : state.host;
}

// Not under Quiet: what a kernel does is what ThreadSanitizer is to see.
void call_kernel() {
  acquire(&state.begun);
  acquire(state.before);
  try {
    state.body->call(state.body->arguments);
  } catch (const Abandoned&) {
  } catch (...) {
    const Quiet quiet;
    note_fault("an exception left the kernel", kLaunchFailure);
  }
  release(state.after);
}

EMULATOR_UNCHECKED void enter() {
  Fiber::entered();
  Fiber& me = current->fiber;
  current->started = true;
  call_kernel();
  me.switch_to(leave(), true);
  std::abort();
}

void start_threads() {
  auto& set = state.sets[parity];
  while (static_cast<int>(set.size()) < state.count) set.push_back(std::make_unique<Thread>());
  dim3& numbered = state.numbered[parity];
  const bool renumber = numbered.x != block_size.x || numbered.y != block_size.y || numbered.z != block_size.z;
  numbered = block_size;
  state.ready.clear();
  state.returned.clear();
  for (int i = 0; i < state.count; ++i) {
    Thread& t = *set[i];
    if (renumber) {
      const unsigned n = static_cast<unsigned>(i);
      t.number = i;
      t.lane = i % kLanes;
      t.warp = i / kLanes;
      t.index = {n % block_size.x, n / block_size.x % block_size.y, n / (block_size.x * block_size.y)};
    }
    t.started = false;
    t.place = Place();
    t.copies.clear();
    t.fiber.prepare(enter, i);
    state.ready.add(i);
  }
}

// Lets every thread that waits throw, so that destructors on its stack run.
void unwind() {
  state.abandoning = true;
  for (int i = 0; i < state.count; ++i) {
    if (!thread(i).started || has_returned(i)) continue;
    current = &thread(i);
    state.host.switch_to(current->fiber);
  }
  state.abandoning = false;
}

}  // namespace

void run_block(const Body& body) {
  {
    const Quiet quiet;
    state.body = &body;
    const unsigned turn = state.blocks[parity]++ % 2;
    state.before = &state.ended[parity][1 - turn];
    state.after = &state.ended[parity][turn];
    state.count = state.running = static_cast<int>(block_size.x * block_size.y * block_size.z);
    state.failed = false;
    state.host.adopt();
    reset_barriers();
    reset_warps();
    start_threads();
    ++statistics.blocks;
    current = nullptr;
    current = pick();
    state.host.switch_to(current->fiber);
    if (state.failed) unwind();
    current = nullptr;
  }
  if (state.failed) throw Fault(state.code, state.text);
}

GridRun::GridRun() { release(&state.begun); }
GridRun::~GridRun() {
  for (auto& tags : state.ended)
    for (char& tag : tags) acquire(&tag);
}

void seed_schedule(uint64_t seed) { state.random = seed * 0x9E3779B97F4A7C15ull | 1; }

uint64_t schedule_random() {
  uint64_t& r = state.random;
  r ^= r << 13;
  r ^= r >> 7;
  r ^= r << 17;
  return r;
}

int threads_in_block() { return state.count; }
int threads_running() { return state.running; }
bool has_returned(int number) { return state.returned.has(number); }
void wake(const ThreadSet& threads) { state.ready.add(threads); }
void wake_lanes(int warp, unsigned mask) { state.ready.add_lanes(warp, mask); }

void wait(bool at_barrier, Place place) {
  Thread& me = *current;
  me.at_barrier = at_barrier;
  me.place = place;
  state.ready.remove(me.number);
  Thread* next = pick();
  if (!next) {
    note_deadlock();
    throw Abandoned{};
  }
  switch_to(*next);
}

void step_back() { switch_to(*pick()); }

void fail(const std::string& text, Place place, int code) {
  note_fault(text + " [" + to_string(place) + ", block " + describe(block_index) + ", thread " + describe(current->index) + "]", code);
  throw Abandoned{};
}

}  // namespace emulator
