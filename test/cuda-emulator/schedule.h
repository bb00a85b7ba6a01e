// In what order the threads of a block take turns, and the blocks of a grid. A thread runs until it must wait, so a schedule
// makes a run deterministic; a kernel is right only if it gives the same result under all of them.
#pragma once
#include <cstdint>

namespace emulator {

// Forward and Reverse go round the threads: warps advance together. Low and High are greedy: the first (last) thread that can
// run does, so that one warp gets as far ahead of the others as barriers allow. For blocks, Low and High are Forward and Reverse.
enum class Order { Forward, Reverse, Low, High, Random };

struct Schedule {
  const char* name = "forward";
  Order threads = Order::Forward, blocks = Order::Forward;
  bool late_copies = false;       // cp.async lands when it is waited for, the latest legal time, instead of at once
  bool unordered_blocks = false;  // for ThreadSanitizer: neighbouring blocks are unordered, so that races between them show
  uint64_t seed = 1;              // of Random
};

extern Schedule schedule;

}  // namespace emulator
