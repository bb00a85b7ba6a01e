#ifndef HT_ISA_PASS
#include "cpu/gemm_int8_kernels.h"

#include "core/int8.h"
#include "cpu/vec.h"
#define HT_KERNELS "cpu/gemm_int8_kernels.cc"
#include "cpu/each_isa.h"

namespace ht::cpu::isa_portable {
namespace {

// The algorithm of VNNI in plain code, which keeps its panels, chains and corrected sums under test on every machine.
constexpr int kInt8Mr = 4, kInt8Nr = 8, kChains = 4;
constexpr int8_t kFlip = -128;
using X = int8_t;

struct Weights {
  uint8_t byte[4 * kInt8Nr];
  static HT_INLINE Weights load(const int8_t* p) {
    Weights w;
    std::memcpy(w.byte, p, sizeof w.byte);
    return w;
  }
};

struct Sums {
  uint32_t column[kInt8Nr];  // modulo 2^32, as the instruction adds
  HT_INLINE void clear() { std::memset(column, 0, sizeof column); }
  HT_INLINE void add(const Sums& other) {
    for (int j = 0; j < kInt8Nr; ++j) column[j] += other.column[j];
  }
  HT_INLINE void add_quads(const Weights& w, const int8_t* x) {
    for (int j = 0; j < kInt8Nr; ++j)
      for (int k = 0; k < 4; ++k) column[j] += static_cast<uint32_t>(w.byte[4 * j + k] * x[k]);
  }
  template <int J>
  HT_INLINE Vec to_float(int32_t excess) const {
    Vec r;
    for (int j = 0; j < Vec::lanes; ++j) r.v[j] = static_cast<float>(static_cast<int32_t>(column[J * Vec::lanes + j] + static_cast<uint32_t>(excess)));
    return r;
  }
};

#include "cpu/gemm_int8_tile.inc"

}  // namespace
}  // namespace ht::cpu::isa_portable

#if HT_X86
#include "cpu/target_avx2.inc"
namespace ht::cpu::isa_avx2 {
namespace {

// vpmaddwd on words, which is exact. vpmaddubsw on bytes would need the sign of w moved to x so as not to saturate, then
// vpmaddwd to widen the sums: three instructions that Zen 3 runs on two ports, against two here.
constexpr int kInt8Mr = 6, kInt8Nr = 8, kChains = 1;
constexpr int8_t kFlip = 0;
using X = int16_t;

struct Weights {
  __m256i part[2];  // four columns each
  static HT_INLINE Weights load(const int8_t* p) { return {{widen(p), widen(p + 16)}}; }

 private:
  static HT_INLINE __m256i widen(const int8_t* p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
};

struct Sums {
  __m256i part[2];  // per column, even pairs of k and odd ones
  HT_INLINE void clear() { part[0] = part[1] = _mm256_setzero_si256(); }
  HT_INLINE void add(const Sums& other) {
    part[0] = _mm256_add_epi32(part[0], other.part[0]);
    part[1] = _mm256_add_epi32(part[1], other.part[1]);
  }
  HT_INLINE void add_quads(const Weights& w, const int16_t* x) {
    int64_t bits;
    std::memcpy(&bits, x, sizeof bits);
    const __m256i quad = _mm256_set1_epi64x(bits);
    part[0] = _mm256_add_epi32(part[0], _mm256_madd_epi16(w.part[0], quad));
    part[1] = _mm256_add_epi32(part[1], _mm256_madd_epi16(w.part[1], quad));
  }
  template <int J>
  HT_INLINE Vec to_float(int32_t) const {
    return {_mm256_cvtepi32_ps(_mm256_permute4x64_epi64(_mm256_hadd_epi32(part[0], part[1]), 0xd8))};
  }
};

#include "cpu/gemm_int8_tile.inc"

}  // namespace
}  // namespace ht::cpu::isa_avx2
#include "cpu/target_end.inc"

#include "cpu/target_avx512vnni.inc"
namespace ht::cpu::isa_avx512vnni {
namespace {

#include "cpu/vec_avx512.inc"
#include "cpu/vec_math.inc"

constexpr int kInt8Mr = 12, kInt8Nr = 32, kChains = 4;
constexpr int8_t kFlip = -128;  // vpdpbusd multiplies unsigned by signed bytes
using X = int8_t;

struct Weights {
  __m512i part[2];
  static HT_INLINE Weights load(const int8_t* p) { return {{_mm512_loadu_si512(p), _mm512_loadu_si512(p + 64)}}; }
};

struct Sums {
  __m512i part[2];
  HT_INLINE void clear() { part[0] = part[1] = _mm512_setzero_si512(); }
  HT_INLINE void add(const Sums& other) {
    part[0] = _mm512_add_epi32(part[0], other.part[0]);
    part[1] = _mm512_add_epi32(part[1], other.part[1]);
  }
  // Instructions of their own: given the intrinsic, GCC 12 moves sums between registers and spills some.
  HT_INLINE void add_quads(const Weights& w, const int8_t* x) {
    using Quad = int32_t __attribute__((may_alias, aligned(1)));
    const Quad* quad = reinterpret_cast<const Quad*>(x);
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(part[0]) : "v"(w.part[0]), "m"(*quad));
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(part[1]) : "v"(w.part[1]), "m"(*quad));
  }
  template <int J>
  HT_INLINE Vec to_float(int32_t excess) const {
    return {_mm512_cvtepi32_ps(_mm512_add_epi32(part[J], _mm512_set1_epi32(excess)))};
  }
};

#include "cpu/gemm_int8_tile.inc"

}  // namespace
}  // namespace ht::cpu::isa_avx512vnni
#include "cpu/target_end.inc"
#endif

namespace ht::cpu {

const Int8Kernels& int8_kernels(Isa isa) {
  using Table = Int8Kernels;
  static const Table portable{isa_portable::kInt8Mr, isa_portable::kInt8Nr, sizeof(isa_portable::X), isa_portable::kFlip, isa_portable::any_int8_tile, isa_portable::quantize};
#if HT_X86
  static const Table avx2{isa_avx2::kInt8Mr, isa_avx2::kInt8Nr, sizeof(isa_avx2::X), isa_avx2::kFlip, isa_avx2::any_int8_tile, isa_avx2::quantize};
  static const Table vnni{isa_avx512vnni::kInt8Mr, isa_avx512vnni::kInt8Nr, sizeof(isa_avx512vnni::X), isa_avx512vnni::kFlip, isa_avx512vnni::any_int8_tile, isa_avx512::quantize};
  if (isa >= Isa::Avx512Vnni) return vnni;
  if (isa >= Isa::Avx2) return avx2;
#endif
  return portable;
}

}  // namespace ht::cpu
#else
template <class T>
void quantize_row(const T* x, int64_t n, int8_t* values, int32_t* sum_out, float* scale_out) {
  Vec most = Vec::zero();
  for_each_vec(n, [&](int64_t i, int lanes) { most = max(most, abs(Vec::load(x + i, lanes))); });
  const Int8Scale row = int8_scale(hmax(most));
  *scale_out = row.scale;
  *sum_out = 0;
  if (row.inverse == 0) {
    std::memset(values, 0, static_cast<size_t>(n));
    return;
  }
  const Vec inverse = Vec::set1(row.inverse);
  Vec total = Vec::zero();  // of whole numbers below 2^24 / 127 terms: exact
  for_each_vec(n, [&](int64_t i, int lanes) {
    const Vec whole = round_near(Vec::load(x + i, lanes) * inverse);
    total = total + whole;
    whole.store(values + i, lanes);
  });
  *sum_out = static_cast<int32_t>(sum(total));
}

void quantize(const void* x, DType dtype, int64_t n, int8_t* values, int32_t* sum, float* scale) {
  if (dtype == DType::BF16) quantize_row(static_cast<const bf16_t*>(x), n, values, sum, scale);
  else quantize_row(static_cast<const float*>(x), n, values, sum, scale);
}
#endif
