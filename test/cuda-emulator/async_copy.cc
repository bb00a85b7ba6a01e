#include "async_copy.h"

#include <cstdint>
#include <cstring>

#include "block.h"
#include "schedule.h"

namespace emulator {
namespace {

void land(const AsyncCopy& c) {
  std::memcpy(c.to, c.from, static_cast<size_t>(c.read));
  std::memset(static_cast<char*>(c.to) + c.read, 0, static_cast<size_t>(c.bytes - c.read));
}

}  // namespace

std::vector<AsyncCopy> AsyncCopies::take(size_t pending) {
  if (ends_.size() <= pending) return {};
  const size_t groups = ends_.size() - pending, count = ends_[groups - 1];
  const auto end = copies_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<AsyncCopy> taken(copies_.begin(), end);
  copies_.erase(copies_.begin(), end);
  ends_.erase(ends_.begin(), ends_.begin() + static_cast<std::ptrdiff_t>(groups));
  for (size_t& e : ends_) e -= count;
  return taken;
}

void start_copy(const AsyncCopy& c, Place place) {
  bool late;
  {
    const Quiet quiet;
    const uintptr_t mask = static_cast<uintptr_t>(c.bytes) - 1;
    if (reinterpret_cast<uintptr_t>(c.to) & mask) fail("cp.async: the shared address is not aligned to " + std::to_string(c.bytes) + " bytes", place, kMisalignedAddress);
    if (c.read && (reinterpret_cast<uintptr_t>(c.from) & mask)) fail("cp.async: the global address is not aligned to " + std::to_string(c.bytes) + " bytes", place, kMisalignedAddress);
    if (c.read < 0 || c.read > c.bytes) fail("cp.async: reads " + std::to_string(c.read) + " of " + std::to_string(c.bytes) + " bytes", place);
    late = schedule.late_copies;
    if (late) current->copies.add(c);
  }
  if (!late) land(c);
}

void commit_copies() {
  const Quiet quiet;
  if (schedule.late_copies) current->copies.commit();
}

void wait_for_copies(int pending) {
  std::vector<AsyncCopy> now;
  {
    const Quiet quiet;
    now = current->copies.take(static_cast<size_t>(pending));
  }
  for (const AsyncCopy& c : now) land(c);
}

}  // namespace emulator
