// What the emulator tells the sanitizers, as functions that do nothing in a build without them.
//
// AddressSanitizer must know every switch of stacks, and which bytes around shared and device memory nobody may touch.
// ThreadSanitizer sees each CUDA thread as a thread of its own (a TSan fiber). Switches order nothing; only what orders memory
// on a device does: launches, barriers, __syncwarp. So every unordered pair of accesses is reported, whatever the schedule.
#pragma once
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreReadsBegin(const char*, int);
extern "C" void AnnotateIgnoreReadsEnd(const char*, int);
extern "C" void AnnotateIgnoreWritesBegin(const char*, int);
extern "C" void AnnotateIgnoreWritesEnd(const char*, int);
extern "C" void __tsan_read_range(void*, unsigned long);
#endif

// Functions that run between two stacks, or on memory that is forbidden to everybody else.
#define EMULATOR_UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("thread"), noinline))

namespace emulator {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
inline void forbid(const void* p, size_t bytes) { __asan_poison_memory_region(p, bytes); }
inline void allow(const void* p, size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
#else
constexpr bool kAddressSanitizer = false;
inline void forbid(const void*, size_t) {}
inline void allow(const void*, size_t) {}
#endif

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
// What comes before release(tag) happens before what comes after a later acquire(tag).
inline void release(void* tag) { __tsan_release(tag); }
inline void acquire(void* tag) { __tsan_acquire(tag); }
inline void note_read(const void* p, size_t bytes) { __tsan_read_range(const_cast<void*>(p), bytes); }
// While one lives, the accesses of this thread are not recorded: they are to the emulator's own data.
struct Quiet {
  Quiet() {
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
  }
  ~Quiet() {
    AnnotateIgnoreWritesEnd("", 0);
    AnnotateIgnoreReadsEnd("", 0);
  }
  Quiet(const Quiet&) = delete;
};
#else
constexpr bool kThreadSanitizer = false;
inline void release(void*) {}
inline void acquire(void*) {}
inline void note_read(const void*, size_t) {}
struct Quiet {
  Quiet() {}
  Quiet(const Quiet&) = delete;
};
#endif

}  // namespace emulator
