// The little that plain C++ tests need: count failures, say where, return them from main().
#pragma once
#include <atomic>
#include <cstdint>
#include <cstdio>

inline std::atomic<int> failures{0};

#define CHECK(condition, ...)                                    \
  do {                                                           \
    if (!(condition) && ++failures <= 20) {                      \
      std::printf("%s:%d: %s ", __FILE__, __LINE__, #condition); \
      std::printf(" " __VA_ARGS__);                              \
      std::printf("\n");                                         \
    }                                                            \
  } while (0)

inline int report(const char* name) {
  std::printf("%s: %s (%d failures)\n", name, failures ? "FAILED" : "ok", failures.load());
  return failures ? 1 : 0;
}

// A small generator, the same numbers everywhere (xorshift64*, Vigna 2016).
struct Random {
  uint64_t state = 0x9e3779b97f4a7c15ull;
  uint64_t next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
  }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-23f - 1.0f; }  // [-1, 1)
  int below(int n) { return static_cast<int>(next() >> 33) % n; }
};
