#include "cpu/isa.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ht::cpu {
namespace {

#if defined(__x86_64__)
// XCR0: the register state that the operating system saves (Intel SDM volume 1, 13.3).
uint64_t enabled_state() {
  uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (static_cast<uint64_t>(hi) << 32) | lo;
}

Isa detect() {
  constexpr uint64_t kYmm = 0x6;             // SSE and upper halves of ymm
  constexpr uint64_t kZmm = kYmm | 0xe0;     // opmask, upper halves of zmm0-15, zmm16-31
  constexpr uint32_t kFma = 1u << 12, kOsxsave = 1u << 27, kAvx = 1u << 28;
  constexpr uint32_t kAvx2 = 1u << 5;
  constexpr uint32_t kAvx512 = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F, DQ, BW, VL
  constexpr uint32_t kVnni = 1u << 11, kBf16 = 1u << 5;

  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return Isa::Portable;
  if ((c & (kFma | kOsxsave | kAvx)) != (kFma | kOsxsave | kAvx)) return Isa::Portable;
  const uint64_t state = enabled_state();
  if ((state & kYmm) != kYmm) return Isa::Portable;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & kAvx2)) return Isa::Portable;
  const uint32_t subleaves = a;
  if ((b & kAvx512) != kAvx512 || (state & kZmm) != kZmm) return Isa::Avx2;
  if (!(c & kVnni)) return Isa::Avx512;
  if (subleaves < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & kBf16)) return Isa::Avx512Vnni;
  return Isa::Avx512Bf16;
}
#else
Isa detect() { return Isa::Portable; }
#endif

struct Choice {
  std::vector<Isa> available;
  std::string note;
  std::atomic<Isa> active{Isa::Portable};

  Choice() {
    const Isa best = detect();
    for (int i = 0; i <= static_cast<int>(best); ++i) available.push_back(static_cast<Isa>(i));
    active = best;
    const char* wanted = std::getenv("HYPERTUNE_ISA");
    if (!wanted || !*wanted) return;
    for (Isa isa : available) {
      if (std::string(wanted) == isa_name(isa)) {
        active = isa;
        return;
      }
    }
    note = std::string("HYPERTUNE_ISA=") + wanted + " is unknown or not available here; using " + isa_name(best) + ".";
  }
};

Choice& choice() {
  static Choice* const instance = new Choice;  // never destroyed: pool threads may still read it while the process exits
  return *instance;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::Portable: return "portable";
    case Isa::Avx2: return "avx2";
    case Isa::Avx512: return "avx512";
    case Isa::Avx512Vnni: return "avx512vnni";
    case Isa::Avx512Bf16: return "avx512bf16";
  }
  return "?";
}

const std::vector<Isa>& available_isas() { return choice().available; }

Isa active_isa() { return choice().active.load(std::memory_order_relaxed); }

bool set_isa(Isa isa) {
  if (isa > choice().available.back() || isa < Isa::Portable) return false;
  choice().active = isa;
  return true;
}

const std::string& isa_note() { return choice().note; }

}  // namespace ht::cpu
