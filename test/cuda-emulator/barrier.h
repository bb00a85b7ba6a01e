// __syncthreads, its votes, and named barriers.
//
// Found here: threads of a block that wait at different __syncthreads, threads that returned without reaching one that others
// are at. (A thread that never comes although it has not returned is a deadlock: block.h.)
#pragma once
#include "fault.h"

namespace emulator {

constexpr int kBarriers = 16;

struct Votes {
  int count = 0, any = 0, all = 1;
};

// Barrier 0 of all threads of the block; what they voted.
Votes sync_block(int vote, Place place);
// Barrier `id` of `threads` threads, of which this one waits, or only counts.
void sync_named(int id, int threads, Place place);
void arrive_named(int id, int threads, Place place);

// For block.cc.
void reset_barriers();
void leave_barriers();  // the current thread has returned

}  // namespace emulator

inline void __syncthreads(emulator::Place place = EMULATOR_HERE) { emulator::sync_block(0, place); }
inline int __syncthreads_count(int predicate, emulator::Place place = EMULATOR_HERE) { return emulator::sync_block(predicate, place).count; }
inline int __syncthreads_or(int predicate, emulator::Place place = EMULATOR_HERE) { return emulator::sync_block(predicate, place).any; }
inline int __syncthreads_and(int predicate, emulator::Place place = EMULATOR_HERE) { return emulator::sync_block(predicate, place).all; }
