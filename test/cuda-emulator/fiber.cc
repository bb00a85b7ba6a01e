#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace emulator {
namespace {

// Kernels keep little on their stacks; sanitizers add red zones to it.
constexpr size_t kStackBytes = kAddressSanitizer || kThreadSanitizer ? 256 << 10 : 128 << 10;
constexpr size_t kGuardBytes = 4096;  // below the stack: running over its end is a segmentation fault
constexpr size_t kColourBytes = 64, kColours = 61;

#if defined(__SANITIZE_ADDRESS__)
Fiber* left = nullptr;  // the fiber that was running before the last switch
#endif

char* map_stack() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kGuardBytes, PROT_NONE);
  return static_cast<char*>(memory) + kGuardBytes;
}

}  // namespace

#if defined(__x86_64__)
// void emulator_switch_stack(void** save, void* to): pushes what a call preserves, exchanges the stack pointers, pops the same.
extern "C" void emulator_switch_stack(void** save, void* to) __attribute__((visibility("hidden")));
asm(R"(
.text
.globl emulator_switch_stack
.hidden emulator_switch_stack
.type emulator_switch_stack, @function
emulator_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulator_switch_stack, .-emulator_switch_stack
)");
#endif

Fiber::~Fiber() {
  if (stack_) munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::prepare(void (*entry)(), int colour) {
  if (!stack_) stack_ = map_stack();
  const size_t usable = kStackBytes - kColourBytes * (static_cast<size_t>(colour) % kColours);
#if defined(__SANITIZE_ADDRESS__)
  bottom_ = stack_;
  bytes_ = kStackBytes;
  fake_stack_ = nullptr;
  allow(stack_, kStackBytes);  // frames that were left by an exception or never returned
#endif
#if defined(__SANITIZE_THREAD__)
  if (!tsan_) tsan_ = __tsan_create_fiber(0);
#endif
#if defined(__x86_64__)
  // As after a call of entry by nobody, with the six registers that the switch pops.
  void** top = reinterpret_cast<void**>(stack_ + usable);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  pointer_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = usable;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#endif
}

void Fiber::adopt() {
#if defined(__SANITIZE_THREAD__)
  tsan_ = __tsan_get_current_fiber();
#endif
}

EMULATOR_UNCHECKED void Fiber::entered() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &left->bottom_, &left->bytes_);
#endif
}

EMULATOR_UNCHECKED void Fiber::switch_to(Fiber& to, bool last) {
#if defined(__SANITIZE_ADDRESS__)
  left = this;
  __sanitizer_start_switch_fiber(last ? nullptr : &fake_stack_, to.bottom_, to.bytes_);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(to.tsan_, 1);  // 1: the switch orders nothing
#endif
  (void)last;
#if defined(__x86_64__)
  emulator_switch_stack(&pointer_, to.pointer_);
#else
  swapcontext(&context_, &to.context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, &left->bottom_, &left->bytes_);
#endif
}

}  // namespace emulator
