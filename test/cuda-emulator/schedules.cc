// The schedules, and how test programs that open the emulated backend as a library pick one.
#include "schedule.h"

#include <cstdlib>
#include <cstring>

#include "runtime_state.h"

namespace emulator {
namespace {

// The first three differ most: round robin, and both greedy ones with copies that land as late as they may.
constexpr Schedule kSchedules[] = {
    {"forward", Order::Forward, Order::Forward, false, false, 1},
    {"low, late copies", Order::Low, Order::Low, true, false, 1},
    {"high, late copies", Order::High, Order::High, true, false, 1},
    {"reverse", Order::Reverse, Order::Reverse, true, false, 1},
    {"low", Order::Low, Order::Forward, false, false, 1},
    {"high", Order::High, Order::Reverse, false, false, 1},
    {"random", Order::Random, Order::Random, false, false, 1},
    {"random, late copies", Order::Random, Order::Random, true, false, 2},
#if defined(__SANITIZE_THREAD__)
    {"forward, unordered blocks", Order::Forward, Order::Forward, true, true, 1},
#endif
};
constexpr int kCount = sizeof kSchedules / sizeof *kSchedules;

// HT_EMULATED_SCHEDULE, the name of one of them, else the first.
Schedule initial() {
  const char* name = std::getenv("HT_EMULATED_SCHEDULE");
  for (const Schedule& s : kSchedules)
    if (name && !std::strcmp(name, s.name)) return s;
  return kSchedules[0];
}

}  // namespace

Schedule schedule = initial();

}  // namespace emulator

extern "C" __attribute__((visibility("default"))) int ht_emulator_schedule_count() { return emulator::kCount; }

// From now on; returns its name. Also mends a device that a fault has broken, so that the next test begins afresh.
extern "C" __attribute__((visibility("default"))) const char* ht_emulator_set_schedule(int i) {
  const emulator::Lock lock(emulator::runtime_mutex());
  if (i < 0 || i >= emulator::kCount) return nullptr;
  emulator::schedule = emulator::kSchedules[i];
  emulator::mend_device();
  return emulator::schedule.name;
}
