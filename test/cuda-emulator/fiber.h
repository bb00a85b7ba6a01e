// A thread of control with a stack of its own, and the switch from one to another. On x86-64 the switch is nine instructions
// of our own (some nanoseconds); elsewhere it is ucontext, which costs two system calls each time.
#pragma once
#include <cstddef>

#include "sanitizers.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  ~Fiber();

  // The next switch to this fiber calls `entry`, which must call entered() first and never return. Stacks differ in where they
  // begin by some cache lines, by `colour`: else all their tops would share the same few cache sets.
  void prepare(void (*entry)(), int colour);
  static void entered();
  // This fiber stands for the stack that is running now.
  void adopt();
  // Goes on with `to`, until somebody switches back here; `last`: nobody will.
  void switch_to(Fiber& to, bool last = false);

 private:
  char* stack_ = nullptr;
#if defined(__x86_64__)
  void* pointer_ = nullptr;  // the stack pointer while others run
#else
  ucontext_t context_{};
#endif
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;
  size_t bytes_ = 0;
#endif
#if defined(__SANITIZE_THREAD__)
  void* tsan_ = nullptr;
#endif
};

}  // namespace emulator
