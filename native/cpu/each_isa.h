// Includes the file named by HT_KERNELS once per instruction set, inside that set's namespace, with HT_ISA_PASS defined
// and the compiler's target switched. How to use it: cpu/vec.h. No include guard on purpose.
#ifndef HT_KERNELS
#error "define HT_KERNELS to the name of the including file first"
#endif

#define HT_ISA_PASS
namespace ht::cpu::isa_portable {
namespace {
#include HT_KERNELS
}
}  // namespace ht::cpu::isa_portable

// GCC and clang spell "these functions are for that target" differently.
#if HT_X86
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace ht::cpu::isa_avx2 {
namespace {
#include HT_KERNELS
}
}  // namespace ht::cpu::isa_avx2
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#endif
namespace ht::cpu::isa_avx512 {
namespace {
#include HT_KERNELS
}
}  // namespace ht::cpu::isa_avx512
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
#undef HT_ISA_PASS
#undef HT_KERNELS
