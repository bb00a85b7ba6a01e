#include "shared_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <string>
#include <vector>

#include "block.h"

namespace emulator {

uint64_t launch_number = 0;
char* static_memory = nullptr;
char* dynamic_memory = nullptr;

namespace {

constexpr size_t kMostDynamic = 228 << 10, kMostStatic = 64 << 10, kGap = 64;
constexpr size_t kDynamicAt = kGap + 16;  // aligned to 16 bytes, never to more
constexpr size_t kStaticAt = kDynamicAt + kMostDynamic + kGap - 16, kArena = kStaticAt + kMostStatic;
constexpr unsigned char kPoison = 0xFF, kUntouched = 0xC5;

struct State {
  char* arenas[2] = {};
  size_t dynamic = 0, limit = 0;
  size_t used = 0;  // of the static part, gaps included
  std::vector<const SharedVariable*> variables;
};
State& state = *new State;

char* map_arena() {
  void* memory = mmap(nullptr, kArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(memory);
}

// Under AddressSanitizer the arena's gaps are forbidden, and memset would be caught. Volatile: else this becomes a memset.
EMULATOR_UNCHECKED void fill(char* at, size_t bytes, unsigned char value) {
  volatile char* p = at;
  const uint64_t word = 0x0101010101010101ull * value;
  for (; bytes && reinterpret_cast<uintptr_t>(p) % 8; --bytes) *p++ = static_cast<char>(value);
  for (; bytes >= 8; bytes -= 8, p += 8) *reinterpret_cast<volatile uint64_t*>(p) = word;
  for (; bytes; --bytes) *p++ = static_cast<char>(value);
}

EMULATOR_UNCHECKED bool untouched(const char* at, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    if (static_cast<unsigned char>(at[i]) != kUntouched) return false;
  return true;
}

void poison(char* at, size_t bytes) {
  fill(at, bytes, kPoison);
  fill(at + bytes, kGap, kUntouched);
}

}  // namespace

void begin_launch(size_t dynamic, size_t limit) {
  ++launch_number;
  state.dynamic = dynamic;
  state.limit = limit;
  state.used = 0;
  state.variables.clear();
  for (char*& arena : state.arenas) {
    if (!arena) arena = map_arena();
    forbid(arena, kArena);
    allow(arena + kDynamicAt, dynamic);
  }
}

void begin_block() {
  char* arena = state.arenas[parity];
  dynamic_memory = arena + kDynamicAt;
  static_memory = arena + kStaticAt;
  fill(dynamic_memory - kGap, kGap, kUntouched);
  poison(dynamic_memory, state.dynamic);
  for (const SharedVariable* v : state.variables) poison(static_memory + v->offset, v->bytes);
}

void place_shared(SharedVariable& v) {
  const Quiet quiet;
  const size_t align = std::max<size_t>(v.align, 16);
  const size_t at = (state.used + align - 1) / align * align;
  size_t together = v.bytes;
  for (const SharedVariable* other : state.variables) together += other->bytes;
  if (together > kStaticSharedLimit) fail("SHARED " + std::string(v.name) + ": more than 48 KiB of static shared memory", Place());
  if (together + state.dynamic > state.limit) fail("SHARED " + std::string(v.name) + ": static and dynamic shared memory together exceed what a block may have, or what the kernel has asked for", Place());
  if (at + v.bytes + kGap > kMostStatic) fail("SHARED " + std::string(v.name) + ": too many variables for the emulator", Place());
  v.offset = at;
  v.launch = launch_number;
  state.used = at + v.bytes + kGap;
  state.variables.push_back(&v);
  for (char* arena : state.arenas) {
    allow(arena + kStaticAt + at, v.bytes);
    poison(arena + kStaticAt + at, v.bytes);
  }
}

void end_block() {
  if (kAddressSanitizer) return;
  const char* what = nullptr;
  if (!untouched(dynamic_memory - kGap, kGap) || !untouched(dynamic_memory + state.dynamic, kGap)) what = "dynamic shared memory";
  for (const SharedVariable* v : state.variables)
    if (!untouched(static_memory + v->offset + v->bytes, kGap)) what = v->name;
  if (what)
    throw Fault(kIllegalAddress, "block " + std::to_string(block_index.x) + "," + std::to_string(block_index.y) + "," + std::to_string(block_index.z) + " wrote past the end of " + what);
}

}  // namespace emulator
