// Fast kernel of dropout.
#ifndef HT_ISA_PASS
#include "ops/dropout.h"

#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#include "ops/convert.h"
#define HT_KERNELS "ops/dropout_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void dropout_cpu(const Call& c) {
  const Tensor& x = c.in[op::dropout::x];
  Tensor& y = c.out[op::dropout::o_y];
  const DropoutMask mask(c.in[op::dropout::key].i32(), c.in[op::dropout::rate].f32()[0], c.attr[op::dropout::a_stream].i);
  if (mask.drop_below == 0) {
    const Converter copy(x, y);
    for_chunks(y.size(), [&](int64_t i, int64_t n) { copy(i, i, n); });
    return;
  }
  with_type(x.dtype, [&](auto tx) {
    with_type(y.dtype, [&](auto ty) {
      using X = decltype(tx);
      using Y = decltype(ty);
      auto* kernel = HT_DISPATCH(dropout<X, Y>);
      for_chunks(y.size(), [&](int64_t i, int64_t n) { kernel(mask, i, data_of<X>(x) + i, data_of<Y>(y) + i, n); });
    });
  });
}

}  // namespace ht
#else
// Philox on 16 counters at once, word by word, in a form that compilers vectorise: factors[4 * g + w] becomes the factor
// of element w of group `first + g`.
inline void dropout_factors(const DropoutMask& mask, int64_t first, float* factors) {
  constexpr int kGroups = 16;
  uint32_t c0[kGroups], c1[kGroups], c2[kGroups], c3[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    c0[g] = static_cast<uint32_t>(first + g);
    c1[g] = mask.step;
    c2[g] = mask.microbatch;
    c3[g] = mask.stream;
  }
  PhiloxKey key = mask.key;
  for (int round = 0; round < kPhiloxRounds; ++round) {
    for (int g = 0; g < kGroups; ++g) {
      const uint64_t p0 = static_cast<uint64_t>(kPhiloxMultiplier0) * c0[g], p1 = static_cast<uint64_t>(kPhiloxMultiplier1) * c2[g];
      c0[g] = static_cast<uint32_t>(p1 >> 32) ^ c1[g] ^ key.lo;
      c1[g] = static_cast<uint32_t>(p1);
      c2[g] = static_cast<uint32_t>(p0 >> 32) ^ c3[g] ^ key.hi;
      c3[g] = static_cast<uint32_t>(p0);
    }
    key.lo += kPhiloxWeyl0;
    key.hi += kPhiloxWeyl1;
  }
  const float scale = static_cast<float>(mask.scale);  // 0 where all are dropped, so the bound may stay in 32 bits
  const uint32_t bound = static_cast<uint32_t>(std::min<uint64_t>(mask.drop_below, 0xffffffffu));
  for (int g = 0; g < kGroups; ++g) {
    factors[4 * g] = c0[g] >= bound ? scale : 0.0f;
    factors[4 * g + 1] = c1[g] >= bound ? scale : 0.0f;
    factors[4 * g + 2] = c2[g] >= bound ? scale : 0.0f;
    factors[4 * g + 3] = c3[g] >= bound ? scale : 0.0f;
  }
}

// `first` is a multiple of 4: the index of x[0] in the whole tensor.
template <class X, class Y>
void dropout(const DropoutMask& mask, int64_t first, const X* x, Y* y, int64_t n) {
  constexpr int64_t kBlock = 64;
  float factors[kBlock];
  for (int64_t at = 0; at < n; at += kBlock) {
    dropout_factors(mask, (first + at) / 4, factors);
    for_each_vec(std::min(kBlock, n - at), [&](int64_t i, int lanes) {
      const Vec factor = Vec::load(factors + i);
      select(factor == Vec::zero(), factor, Vec::load(x + at + i, lanes) * factor).store(y + at + i, lanes);
    });
  }
}
#endif
