// Which x86 instruction sets the CPU kernels may use, decided by CPU feature bits, never by model names.
#pragma once
#include <string>
#include <vector>

namespace ht::cpu {

// Ordered: a later one includes everything of the earlier ones.
//   Portable    baseline of the compiler's target (SSE2 on x86-64)
//   Avx2        AVX2 + FMA
//   Avx512      AVX-512 F, BW, DQ, VL
//   Avx512Vnni  Avx512 + AVX512_VNNI
//   Avx512Bf16  Avx512Vnni + AVX512_BF16 (only GEMM has code of its own for these two; elsewhere they run the Avx512 kernels)
enum class Isa : int { Portable = 0, Avx2 = 1, Avx512 = 2, Avx512Vnni = 3, Avx512Bf16 = 4 };

const char* isa_name(Isa isa);

// What this CPU and operating system can run, in ascending order; Portable is always there.
const std::vector<Isa>& available_isas();

// The one in use: the best available, unless HYPERTUNE_ISA (portable, avx2, avx512, avx512vnni, avx512bf16) asks for a lower one.
// A name that is unknown or not available is ignored; isa_note() then says so.
Isa active_isa();

// Selects an instruction set for the whole process, between runs (tests and benches). False when it is not available.
bool set_isa(Isa isa);

// Empty, or one sentence why HYPERTUNE_ISA was not followed.
const std::string& isa_note();

}  // namespace ht::cpu
