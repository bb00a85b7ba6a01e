// Operations of a warp: every lane of a mask brings something, and each leaves with something when all have come.
//
// Found here: lanes of one mask in different operations, masks that name lanes which returned or do not exist or leave out the
// caller, lanes that return while others wait for them.
#pragma once
#include <cstddef>

#include "fault.h"
#include "thread_set.h"

namespace emulator {

struct Thread;

enum class WarpOp { Sync, Shuffle, ShuffleUp, ShuffleDown, ShuffleXor, Vote, Reduce, Mma, LoadMatrix };

constexpr size_t kSlotBytes = 32;

// One operation under way.
struct Exchange {
  unsigned mask = 0, arrived = 0, left = 0;
  WarpOp op = WarpOp::Sync;
  int variant = 0;  // operations of one kind that differ in this are different
  Place place;
  char tag = 0;  // for ThreadSanitizer
  alignas(32) unsigned char slot[kLanes][kSlotBytes];
};

struct WarpCall {
  unsigned mask;
  WarpOp op;
  int variant;
  Place place;
  void (*combine)(Exchange&);  // called once, when all lanes have come, to turn what they brought into what they get; may be null
};

// Brings `in`, leaves with `out`: the slot of lane `from`.
void exchange(const WarpCall& call, const void* in, size_t in_bytes, int from, void* out, size_t out_bytes);

// For block.cc.
void reset_warps();
void leave_warp(const Thread& thread);  // it has returned

}  // namespace emulator
