// A vector of floats, written once and compiled for every instruction set.
//
// An op's kernels live in ONE source file that includes itself once per instruction set; it needs no compiler flags of
// its own, because cpu/each_isa.h switches the target with a pragma (so that shared inline code, e.g. of the standard
// library, is never compiled for a CPU that may be absent). Upper half: ordinary code. Lower half: the kernels, already
// inside a namespace per instruction set; they see ht:: and ht::cpu:: names and `Vec`.
//
//   // native/ops/relu_cpu.cc
//   #ifndef HT_ISA_PASS                          // ---- once
//   #include "cpu/threads.h"
//   #include "cpu/vec.h"                         // every include stands up here
//   #define HT_KERNELS "ops/relu_cpu.cc"         // this file
//   #include "cpu/each_isa.h"
//
//   namespace ht::ops {
//   void relu_f32(const float* x, float* y, int64_t n) {
//     auto* kernel = HT_DISPATCH(relu<float>);   // the active instruction set's function
//     const int64_t chunk = 16384;               // depends on the shape only
//     cpu::parallel((n + chunk - 1) / chunk, [&](int64_t t, int) {
//       kernel(x + t * chunk, y + t * chunk, std::min(chunk, n - t * chunk));
//     });
//   }
//   }  // namespace ht::ops
//   #else                                        // ---- once per instruction set: portable, avx2, avx512
//   template <class T>                           // T = float or bf16_t: loads and stores convert
//   void relu(const T* x, T* y, int64_t n) {
//     for_each_vec(n, [&](int64_t i, int lanes) { max(Vec::load(x + i, lanes), Vec::zero()).store(y + i, lanes); });
//   }
//   #endif
//
// `Vec`, with `Vec::lanes` (constexpr: 4, 8, 16) and arithmetic in fp32:
//   Vec::zero()  Vec::set1(float)  Vec::load(p)  Vec::load(p, n)   p: const float* or const bf16_t*; n in [0, lanes]:
//                                                                  only n elements are touched, the others read as 0
//   v.store(p)  v.store(p, n)        p: float* or bf16_t* (round to nearest even, NaN kept)
//   v.store(p, n)                    p: int8_t*, of whole numbers in [-128, 127]
//   a + b  a - b  a * b  a / b  -a   fma(a, b, c) = a*b + c  (one rounding, except on portable)
//   max(a, b)  min(a, b)             NaN if either is NaN        abs(v)  sqrt(v)  copysign(magnitude, sign)
//   a < b  a <= b  a == b            a mask, for select(mask, if_true, if_false); false where a or b is NaN
//   sum(v)  hmax(v)                  one float, in a fixed order: halves are folded until one lane is left; hmax keeps NaN
//   exp(v)  tanh(v)                  about 2 units in the last place
//   for_each_vec(n, f)               f(i, lanes) for i = 0, lanes, 2*lanes, ...; the last call has what is left
//   unroll<N>([&](auto i) HT_FLAT { v[i] = ...; })   i = 0 .. N-1 as constants. For arrays of Vec: indexed by a
//                                    variable they would live in memory, not in registers
//
// Fixed order matters: results may depend on the instruction set, never on the thread count or on alignment.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/dtype.h"
#include "cpu/isa.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HT_X86 1
// GCC 12 warns about its own _mm512_undefined_ps() (GCC bug 105593).
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#ifndef __clang__
#pragma GCC diagnostic pop
#endif
#else
#define HT_X86 0
#endif

#define HT_INLINE inline __attribute__((always_inline))
#define HT_FLAT __attribute__((always_inline))  // the same for a lambda

namespace ht::cpu::isa_portable {
#include "cpu/vec_portable.inc"
#include "cpu/vec_math.inc"
}  // namespace ht::cpu::isa_portable

#if HT_X86
#include "cpu/target_avx2.inc"
namespace ht::cpu::isa_avx2 {
#include "cpu/vec_avx2.inc"
#include "cpu/vec_math.inc"
}  // namespace ht::cpu::isa_avx2
#include "cpu/target_end.inc"

#include "cpu/target_avx512.inc"
namespace ht::cpu::isa_avx512 {
#include "cpu/vec_avx512.inc"
#include "cpu/vec_math.inc"
}  // namespace ht::cpu::isa_avx512
#include "cpu/target_end.inc"
#endif

namespace ht::cpu {

// The function of the instruction set in use.
template <class Fn>
Fn* pick_kernel(Fn* portable, Fn* avx2, Fn* avx512) {
  const Isa isa = active_isa();
  return isa >= Isa::Avx512 ? avx512 : isa == Isa::Avx2 ? avx2 : portable;
}

}  // namespace ht::cpu

#if HT_X86
#define HT_DISPATCH(...)                                                                 \
  ::ht::cpu::pick_kernel(&::ht::cpu::isa_portable::__VA_ARGS__, &::ht::cpu::isa_avx2::__VA_ARGS__, \
                         &::ht::cpu::isa_avx512::__VA_ARGS__)
#else
#define HT_DISPATCH(...) (&::ht::cpu::isa_portable::__VA_ARGS__)
#endif
