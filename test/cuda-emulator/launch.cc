#include "launch.h"

#include <utility>
#include <vector>

#include "schedule.h"
#include "shared_memory.h"

namespace emulator {
namespace {

// In what order blocks run.
class BlockOrder {
 public:
  explicit BlockOrder(uint64_t count) : count_(count) {
    if (schedule.blocks != Order::Random) return;
    shuffled_.resize(count);
    for (uint64_t i = 0; i < count; ++i) shuffled_[i] = i;
    for (uint64_t i = count; i > 1; --i) std::swap(shuffled_[i - 1], shuffled_[schedule_random() % i]);
  }
  uint64_t at(uint64_t k) const {
    switch (schedule.blocks) {
      case Order::Forward:
      case Order::Low: return k;
      case Order::Reverse:
      case Order::High: return count_ - 1 - k;
      case Order::Random: return shuffled_[k];
    }
    return k;
  }

 private:
  uint64_t count_;
  std::vector<uint64_t> shuffled_;
};

}  // namespace

void run_grid(const Grid& g, const Body& body) {
  const uint64_t blocks = uint64_t{g.grid.x} * g.grid.y * g.grid.z;
  block_size = g.block;
  grid_size = g.grid;
  parity = 0;
  seed_schedule(schedule.seed);
  begin_launch(g.dynamic_shared, g.shared_limit);
  const BlockOrder order(blocks);
  const GridRun run;
  const Quiet quiet;
  for (uint64_t k = 0; k < blocks; ++k) {
    const uint64_t i = order.at(k);
    block_index = {static_cast<unsigned>(i % g.grid.x), static_cast<unsigned>(i / g.grid.x % g.grid.y), static_cast<unsigned>(i / (uint64_t{g.grid.x} * g.grid.y))};
    if (schedule.unordered_blocks) parity = static_cast<int>(k % 2);
    begin_block();
    run_block(body);
    end_block();
  }
}

}  // namespace emulator
