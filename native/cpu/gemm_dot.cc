// bf16 x bf16 tiles: vdpbf16ps on AVX512_BF16, and the same algorithm in plain code on the portable backend, which
// keeps the packing of pairs and the tile under test on every machine.
#include "cpu/gemm_kernels.h"
#include "cpu/vec.h"

namespace ht::cpu::isa_portable {
namespace {

#include "cpu/gemm_tile.inc"

HT_INLINE Vec dot_pairs(Vec sum, const bf16_t* a, const bf16_t* b) {
  sum = fma(Vec::set1(bf16_to_float(a[0])), Vec::load_even(b), sum);
  return fma(Vec::set1(bf16_to_float(a[1])), Vec::load_odd(b), sum);
}

#include "cpu/gemm_dot.inc"

}  // namespace
}  // namespace ht::cpu::isa_portable

#if HT_X86
#include "cpu/target_avx512bf16.inc"
namespace ht::cpu::isa_avx512bf16 {
namespace {

#include "cpu/vec_avx512.inc"
#include "cpu/vec_math.inc"

#include "cpu/gemm_tile.inc"

HT_INLINE Vec dot_pairs(Vec sum, const bf16_t* a, const bf16_t* b) {
  int32_t pair;
  std::memcpy(&pair, a, sizeof pair);
  return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)_mm512_loadu_si512(b))};
}

#include "cpu/gemm_dot.inc"

}  // namespace
}  // namespace ht::cpu::isa_avx512bf16
#include "cpu/target_end.inc"
#endif

namespace ht::cpu {

TileKernel bf16_dot_kernel(Isa isa) {
#if HT_X86
  if (isa == Isa::Avx512Bf16) return isa_avx512bf16::any_tile<isa_avx512bf16::PairPanels>;
#endif
  return isa == Isa::Portable ? isa_portable::any_tile<isa_portable::PairPanels> : nullptr;
}

}  // namespace ht::cpu
