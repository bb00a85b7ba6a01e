// A set of the threads of one block: a bit each, and a bit for each word that is not empty, so that the scheduler finds the
// next thread to run without looking at all of them.
#pragma once
#include <array>
#include <cstdint>

namespace emulator {

constexpr int kLanes = 32, kMaxThreads = 1024, kMaxWarps = kMaxThreads / kLanes;

class ThreadSet {
 public:
  bool empty() const { return full_ == 0; }
  bool has(int i) const { return words_[i / 64] >> (i % 64) & 1; }
  int count() const {
    int n = 0;
    for (unsigned w = full_; w; w &= w - 1) n += __builtin_popcountll(words_[__builtin_ctz(w)]);
    return n;
  }
  void clear() { *this = ThreadSet(); }
  void add(int i) {
    words_[i / 64] |= uint64_t{1} << (i % 64);
    full_ |= 1u << (i / 64);
  }
  void remove(int i) {
    if ((words_[i / 64] &= ~(uint64_t{1} << (i % 64))) == 0) full_ &= ~(1u << (i / 64));
  }
  void add_lanes(int warp, unsigned mask) {
    words_[warp / 2] |= uint64_t{mask} << (warp % 2 * kLanes);
    if (mask) full_ |= 1u << (warp / 2);
  }
  void add(const ThreadSet& other) {
    for (unsigned w = other.full_; w; w &= w - 1) words_[__builtin_ctz(w)] |= other.words_[__builtin_ctz(w)];
    full_ |= other.full_;
  }

  // Only of a set that is not empty.
  int first() const {
    const int w = __builtin_ctz(full_);
    return w * 64 + __builtin_ctzll(words_[w]);
  }
  int last() const {
    const int w = 31 - __builtin_clz(full_);
    return w * 64 + 63 - __builtin_clzll(words_[w]);
  }
  // The first at i or above; beyond the end, the first of all.
  int from(int i) const {
    const uint64_t here = words_[i / 64] >> (i % 64);
    if (here) return i + __builtin_ctzll(here);
    const unsigned above = full_ & ~((2u << (i / 64)) - 1);
    if (!above) return first();
    const int w = __builtin_ctz(above);
    return w * 64 + __builtin_ctzll(words_[w]);
  }
  // The last at i or below; beyond the beginning, the last of all.
  int down_from(int i) const {
    const uint64_t here = words_[i / 64] << (63 - i % 64);
    if (here) return i - __builtin_clzll(here);
    const unsigned below = full_ & ((1u << (i / 64)) - 1);
    if (!below) return last();
    const int w = 31 - __builtin_clz(below);
    return w * 64 + 63 - __builtin_clzll(words_[w]);
  }
  // The k-th from 0, k < count().
  int at(int k) const {
    for (unsigned left = full_;; left &= left - 1) {
      const int w = __builtin_ctz(left);
      const int here = __builtin_popcountll(words_[w]);
      if (k >= here) {
        k -= here;
        continue;
      }
      uint64_t bits = words_[w];
      for (; k > 0; --k) bits &= bits - 1;
      return w * 64 + __builtin_ctzll(bits);
    }
  }

 private:
  std::array<uint64_t, kMaxThreads / 64> words_{};
  unsigned full_ = 0;  // bit w: words_[w] is not zero
};

}  // namespace emulator
