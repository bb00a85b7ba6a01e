#include "warp.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "block.h"

namespace emulator {
namespace {

struct State {
  std::vector<std::unique_ptr<Exchange>> all;
  std::vector<Exchange*> unused;
  std::vector<Exchange*> open[kMaxWarps];  // some lanes have yet to come, or to leave
  unsigned touched = 0;                    // bit w: open[w] may hold something
};
State& state = *new State;

bool same(const Exchange& e, const WarpCall& call) { return e.mask == call.mask && e.op == call.op && e.variant == call.variant; }

Exchange* begin(const WarpCall& call, int warp) {
  unsigned missing = 0;
  for (unsigned lanes = call.mask; lanes; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes), number = warp * kLanes + lane;
    if (number >= threads_in_block() || has_returned(number)) missing |= 1u << lane;
  }
  if (missing) fail("the mask of a warp operation names lanes that returned or do not exist, lane " + std::to_string(__builtin_ctz(missing)) + " first", call.place);
  if (state.unused.empty()) {
    state.all.push_back(std::make_unique<Exchange>());
    state.unused.push_back(state.all.back().get());
  }
  Exchange* e = state.unused.back();
  state.unused.pop_back();
  e->mask = e->left = call.mask;
  e->arrived = 0;
  e->op = call.op;
  e->variant = call.variant;
  e->place = call.place;
  state.open[warp].push_back(e);
  state.touched |= 1u << warp;
  return e;
}

// Lanes may be ahead of one another: a lane of this mask may first finish an operation with others. But not one that needs
// this lane too: then both wait for ever.
Exchange* join(const WarpCall& call, const Thread& me) {
  const unsigned bit = 1u << me.lane;
  if (!(call.mask & bit)) fail("the calling lane is not in the mask of its warp operation", call.place);
  for (Exchange* e : state.open[me.warp]) {
    if (e->arrived == e->mask || !(e->mask & bit)) continue;
    if (same(*e, call)) return e;
    if (e->arrived & call.mask) fail("lanes of one mask are in different warp operations, others in that of " + to_string(e->place), call.place);
  }
  return begin(call, me.warp);
}

void copy(void* to, const void* from, size_t bytes) {
  if (bytes == 4) std::memcpy(to, from, 4);
  else if (bytes) std::memcpy(to, from, bytes);
}

}  // namespace

void exchange(const WarpCall& call, const void* in, size_t in_bytes, int from, void* out, size_t out_bytes) {
  const Thread& me = *current;
  const bool orders_memory = call.op == WarpOp::Sync;  // shuffles, votes and mma do not
  Exchange* e;
  {
    const Quiet quiet;
    e = join(call, me);
    copy(e->slot[me.lane], in, in_bytes);
    e->arrived |= 1u << me.lane;
  }
  if (orders_memory) release(&e->tag);
  {
    const Quiet quiet;
    if (e->arrived != e->mask) {
      wait(false, call.place);
    } else {
      if (call.combine) call.combine(*e);
      wake_lanes(me.warp, e->mask);
    }
  }
  if (orders_memory) acquire(&e->tag);
  const Quiet quiet;
  copy(out, e->slot[from], out_bytes);
  if ((e->left &= ~(1u << me.lane)) == 0) {
    auto& open = state.open[me.warp];
    open.erase(std::find(open.begin(), open.end(), e));
    state.unused.push_back(e);
  }
}

void reset_warps() {
  for (; state.touched; state.touched &= state.touched - 1) {
    auto& open = state.open[__builtin_ctz(state.touched)];
    state.unused.insert(state.unused.end(), open.begin(), open.end());
    open.clear();
  }
}

void leave_warp(const Thread& thread) {
  for (const Exchange* e : state.open[thread.warp])
    if (e->arrived != e->mask && (e->mask >> thread.lane & 1)) fail("a lane returned while others of its mask wait for it in a warp operation", e->place);
}

}  // namespace emulator
