// Functions of device code that concern one thread: atomics, fences, cached loads and stores, arithmetic, bits.
// Fast-math functions are exact here. Threads take turns and memory is sequentially consistent, so fences matter to ThreadSanitizer only.
#pragma once
#include <math.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "half_types.h"
#include "sanitizers.h"

namespace emulator {

template <class T, class F>
T read_modify_write(T* p, const F& change) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "atomics have 2, 4 or 8 bytes");
  T before, after;
  __atomic_load(p, &before, __ATOMIC_RELAXED);
  do after = change(before);
  while (!__atomic_compare_exchange(p, &before, &after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return before;
}

// What comes before a fence happens before what comes after any later one: more order than a device gives, as nothing ties them together.
inline void fence() {
  static char order;
  acquire(&order);
  release(&order);
}

inline float fast_exp(float x) { return std::exp(x); }
inline float fast_log(float x) { return std::log(x); }
inline float fast_log2(float x) { return std::log2(x); }
inline float fast_pow(float x, float y) { return std::pow(x, y); }
inline float fast_sin(float x) { return std::sin(x); }
inline float fast_cos(float x) { return std::cos(x); }

}  // namespace emulator

template <class T, class U>
T atomicAdd(T* p, U v) { return emulator::read_modify_write(p, [&](T old) { return T(old + T(v)); }); }
template <class T, class U>
T atomicSub(T* p, U v) { return emulator::read_modify_write(p, [&](T old) { return T(old - T(v)); }); }
template <class T, class U>
T atomicMax(T* p, U v) { return emulator::read_modify_write(p, [&](T old) { return old < T(v) ? T(v) : old; }); }
template <class T, class U>
T atomicMin(T* p, U v) { return emulator::read_modify_write(p, [&](T old) { return T(v) < old ? T(v) : old; }); }
template <class T, class U>
T atomicAnd(T* p, U v) { return emulator::read_modify_write(p, [&](T old) { return T(old & T(v)); }); }
template <class T, class U>
T atomicOr(T* p, U v) { return emulator::read_modify_write(p, [&](T old) { return T(old | T(v)); }); }
template <class T, class U>
T atomicXor(T* p, U v) { return emulator::read_modify_write(p, [&](T old) { return T(old ^ T(v)); }); }
template <class T, class U>
T atomicExch(T* p, U v) { return emulator::read_modify_write(p, [&](T) { return T(v); }); }
template <class T, class U, class V>
T atomicCAS(T* p, U expected, V desired) {
  T before = T(expected), after = T(desired);
  __atomic_compare_exchange(p, &before, &after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return before;
}

inline void __threadfence() { emulator::fence(); }
inline void __threadfence_block() {}
inline void __threadfence_system() { emulator::fence(); }

template <class T>
T __ldg(const T* p) { return *p; }
template <class T>
T __ldcg(const T* p) { return *p; }
template <class T>
T __ldca(const T* p) { return *p; }
template <class T>
T __ldcs(const T* p) { return *p; }
template <class T>
T __ldlu(const T* p) { return *p; }
template <class T>
void __stcg(T* p, T v) { *p = v; }
template <class T>
void __stcs(T* p, T v) { *p = v; }
template <class T>
void __stwb(T* p, T v) { *p = v; }
template <class T>
void __stwt(T* p, T v) { *p = v; }

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __frsqrt_rn(float x) { return 1.0f / std::sqrt(x); }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __saturatef(float x) { return x != x || x < 0 ? 0.0f : x > 1 ? 1.0f : x; }
// Macros: the C library declares functions of these names.
#define __expf(x) ::emulator::fast_exp(x)
#define __logf(x) ::emulator::fast_log(x)
#define __log2f(x) ::emulator::fast_log2(x)
#define __powf(x, y) ::emulator::fast_pow(x, y)
#define __sinf(x) ::emulator::fast_sin(x)
#define __cosf(x) ::emulator::fast_cos(x)

template <class T>
constexpr T max(T a, T b) { return a < b ? b : a; }
template <class T>
constexpr T min(T a, T b) { return b < a ? b : a; }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(uint64_t{a} * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64); }
inline unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i);
  return r;
}
inline unsigned __float_as_uint(float f) { return emulator::bits_of(f); }
inline int __float_as_int(float f) { return static_cast<int>(emulator::bits_of(f)); }
inline float __uint_as_float(unsigned u) { return emulator::float_of(u); }
inline float __int_as_float(int i) { return emulator::float_of(static_cast<uint32_t>(i)); }
inline long long __double_as_longlong(double d) {
  long long i;
  std::memcpy(&i, &d, sizeof i);
  return i;
}
inline double __longlong_as_double(long long i) {
  double d;
  std::memcpy(&d, &i, sizeof d);
  return d;
}
inline int __float2int_rn(float f) { return static_cast<int>(std::nearbyint(f)); }
inline int __float2int_rz(float f) { return static_cast<int>(f); }
inline float __int2float_rn(int i) { return static_cast<float>(i); }
