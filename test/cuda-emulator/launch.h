// A grid: its blocks one after another, in the order of the schedule.
#pragma once
#include <cstddef>

#include "block.h"

namespace emulator {

struct Grid {
  dim3 grid, block;
  size_t dynamic_shared;
  size_t shared_limit;  // of a block, static memory included
};

// Runs it to its end; throws Fault. The dimensions have been checked.
void run_grid(const Grid& grid, const Body& body);

}  // namespace emulator
