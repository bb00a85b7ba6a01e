#include "cpu/gemm_pack.h"

#include <algorithm>

#include "cpu/vec.h"

namespace ht::cpu::isa_portable {
namespace {
#include "cpu/gemm_pack.inc"
}
}  // namespace ht::cpu::isa_portable

#if HT_X86
// Wider vectors gain nothing here: AVX-512 packs with these as well.
#include "cpu/target_avx2.inc"
namespace ht::cpu::isa_avx2 {
namespace {
#include "cpu/gemm_pack.inc"
}
}  // namespace ht::cpu::isa_avx2
#include "cpu/target_end.inc"
#endif

namespace ht::cpu {

const GemmPack& gemm_pack([[maybe_unused]] Isa isa) {
  static const GemmPack portable{isa_portable::pack_f32, isa_portable::pack_pairs, isa_portable::pack_quads};
#if HT_X86
  static const GemmPack avx2{isa_avx2::pack_f32, isa_avx2::pack_pairs, isa_avx2::pack_quads};
  if (isa >= Isa::Avx2) return avx2;
#endif
  return portable;
}

}  // namespace ht::cpu
