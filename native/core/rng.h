// Philox4x32-10: a counter-based generator (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). 128 bits of counter and 64 bits of key give 128 random bits, so a draw depends on its coordinates alone,
// never on the order or the number of the draws before it.
// The same functions run on the host and in CUDA kernels.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define HT_HOST_DEVICE __host__ __device__
#else
#define HT_HOST_DEVICE
#endif

namespace ht {

struct Philox4 {
  uint32_t word[4];
};

struct PhiloxKey {
  uint32_t lo, hi;
};

constexpr uint32_t kPhiloxMultiplier0 = 0xD2511F53u, kPhiloxMultiplier1 = 0xCD9E8D57u;
constexpr uint32_t kPhiloxWeyl0 = 0x9E3779B9u, kPhiloxWeyl1 = 0xBB67AE85u;  // golden ratio and sqrt(3) - 1, as fractions of 2^32
constexpr int kPhiloxRounds = 10;

HT_HOST_DEVICE inline Philox4 philox4x32(Philox4 counter, PhiloxKey key) {
  uint32_t* c = counter.word;
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(kPhiloxMultiplier0) * c[0];
    const uint64_t p1 = static_cast<uint64_t>(kPhiloxMultiplier1) * c[2];
    const uint32_t c1 = c[1], c3 = c[3];
    c[0] = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key.lo;
    c[1] = static_cast<uint32_t>(p1);
    c[2] = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key.hi;
    c[3] = static_cast<uint32_t>(p0);
    key.lo += kPhiloxWeyl0;
    key.hi += kPhiloxWeyl1;
  }
  return counter;
}

// Uniform in [0, 1), all 53 bits of the mantissa used.
HT_HOST_DEVICE inline double uniform53(uint32_t a, uint32_t b) {
  return (static_cast<double>(a >> 5) * 67108864.0 + static_cast<double>(b >> 6)) / 9007199254740992.0;
}

}  // namespace ht
