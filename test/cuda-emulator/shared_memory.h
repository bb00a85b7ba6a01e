// Shared memory of the running block: dynamic, then the SHARED variables, each in the middle of memory that nobody may touch.
//
// Found here: reads before the first write (every block starts with 0xFF bytes, NaN for a float), writes a little past the end
// (the bytes there are compared after each block; under AddressSanitizer any access is reported at once), too much of it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

constexpr size_t kStaticSharedLimit = 48 << 10;

// A SHARED variable of a kernel. It gets its place when the first thread of a launch meets it.
struct SharedVariable {
  const char* name;
  size_t bytes, align;
  uint64_t launch = 0;
  size_t offset = 0;
};

extern uint64_t launch_number;  // the first is 1
extern char* static_memory;     // of the running block
extern char* dynamic_memory;    // 16-byte aligned and no more

void place_shared(SharedVariable& variable);

inline void* shared_variable(SharedVariable& v) {
  if (v.launch != launch_number) place_shared(v);
  return static_memory + v.offset;
}

// For launch.cc: a launch whose blocks may use `dynamic` bytes, and `limit` together with the SHARED variables.
void begin_launch(size_t dynamic, size_t limit);
void begin_block();
// Throws Fault if the block wrote where it must not.
void end_block();

}  // namespace emulator

// SHARED(float, tile, [32][33]): a static shared array.
#define SHARED(T, name, ...)                                                                                        \
  using name##_type_ = T __VA_ARGS__;                                                                               \
  static ::emulator::SharedVariable name##_variable_{#name, sizeof(name##_type_), alignof(name##_type_), 0, 0};     \
  auto& name = *static_cast<name##_type_*>(::emulator::shared_variable(name##_variable_))
#define DYN_SHARED(T, name) T* name = reinterpret_cast<T*>(::emulator::dynamic_memory)
