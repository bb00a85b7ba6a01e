// A small generator, the same numbers everywhere (splitmix64: Steele, Lea & Flood 2014).
#pragma once
#include <cstdint>

namespace ht::fuzz {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t x = (state_ += 0x9e3779b97f4a7c15ull);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
  }
  // In [0, n); 0 where n is not positive.
  int64_t below(int64_t n) { return n > 0 ? static_cast<int64_t>((next() >> 1) % static_cast<uint64_t>(n)) : 0; }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-23f - 1.0f; }  // [-1, 1)

 private:
  uint64_t state_;
};

}  // namespace ht::fuzz
