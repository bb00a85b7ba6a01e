// cp.async: copies from global to shared memory that a thread starts, commits in groups, and waits for. They land at once, or,
// under a schedule with late copies, when they are waited for: then a wait that is a group short reads what was there before.
#pragma once
#include <cstddef>
#include <vector>

#include "fault.h"

namespace emulator {

struct AsyncCopy {
  void* to;
  const void* from;
  int bytes, read;  // of bytes, the first `read` are copied and the rest is zero
};

// Of one thread.
class AsyncCopies {
 public:
  void add(const AsyncCopy& copy) { copies_.push_back(copy); }
  void commit() { ends_.push_back(copies_.size()); }
  // Takes out the copies of all committed groups but the last `pending`.
  std::vector<AsyncCopy> take(size_t pending);
  void clear() {
    copies_.clear();
    ends_.clear();
  }

 private:
  std::vector<AsyncCopy> copies_;
  std::vector<size_t> ends_;  // of the committed groups, in copies_
};

// Of the current thread. Found here: misaligned addresses, odd sizes.
void start_copy(const AsyncCopy& copy, Place place);
void commit_copies();
void wait_for_copies(int pending);

}  // namespace emulator
