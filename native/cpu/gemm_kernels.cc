#ifndef HT_ISA_PASS
#include "cpu/gemm_kernels.h"

#include "cpu/vec.h"
#define HT_KERNELS "cpu/gemm_kernels.cc"
#include "cpu/each_isa.h"

namespace ht::cpu {

const GemmKernels& gemm_kernels([[maybe_unused]] Isa isa) {
  static const GemmKernels portable = isa_portable::kernels(bf16_dot_kernel(Isa::Portable));
#if HT_X86
  static const GemmKernels avx2 = isa_avx2::kernels(nullptr);
  static const GemmKernels avx512 = isa_avx512::kernels(nullptr);
  static const GemmKernels avx512bf16 = isa_avx512::kernels(bf16_dot_kernel(Isa::Avx512Bf16));
  switch (isa) {
    case Isa::Avx512Bf16: return avx512bf16;
    case Isa::Avx512Vnni: case Isa::Avx512: return avx512;
    case Isa::Avx2: return avx2;
    case Isa::Portable: break;
  }
#endif
  return portable;
}

}  // namespace ht::cpu
#else
#include "cpu/gemm_rows.inc"
#include "cpu/gemm_tile.inc"

void widen(const bf16_t* from, float* to, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { Vec::load(from + i, lanes).store(to + i, lanes); });
}

void narrow(const float* from, bf16_t* to, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { Vec::load(from + i, lanes).store(to + i, lanes); });
}

GemmKernels kernels(TileKernel pairs) {
  return {kMr, kNr, any_tile<F32Panels>, any_tile<F32PairPanels>, pairs, few_rows<float>, few_rows<bf16_t>, widen, narrow};
}
#endif
