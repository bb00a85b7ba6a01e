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

#if HT_X86
#include "cpu/target_avx2.inc"
namespace ht::cpu::isa_avx2 {
namespace {
#include HT_KERNELS
}
}  // namespace ht::cpu::isa_avx2
#include "cpu/target_end.inc"
#include "cpu/target_avx512.inc"
namespace ht::cpu::isa_avx512 {
namespace {
#include HT_KERNELS
}
}  // namespace ht::cpu::isa_avx512
#include "cpu/target_end.inc"
#endif
#undef HT_ISA_PASS
#undef HT_KERNELS
