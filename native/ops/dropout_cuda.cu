// Dropout on the device: one pass over memory (cuda/elements.cuh), 4 to 8 bytes per element. One call of Philox gives the bits of four
// elements, some 20 instructions each, which the loads of other warps hide; rate 0 skips them. Key and rate are read from device
// memory, so a captured step draws anew when the step number there changes. Which elements are kept: dropout.h.
#include "core/ops_cuda.gen.h"
#include "core/rng.h"
#include "cuda/elements.cuh"

namespace ht::cuda {
namespace {

template <class X, class Y>
struct Dropout {
  static constexpr int kWidth = vector_width<X, Y>();
  const X* x;
  const int32_t* key;
  const float* rate;
  Y* y;
  uint32_t stream;

  __device__ bool aligned() const { return is_aligned<kWidth>(x) && is_aligned<kWidth>(y); }

  template <int N>
  __device__ void at(int64_t i) const {
    const float r = *rate;
    Floats<N> v = load_floats<N>(x + i);
    if (r > 0) {
      // A product with a power of two is exact, so the bound is the host's. Bits are below 2^32, which r < 1 never rounds to.
      const bool any = r < 1;
      const auto bound = static_cast<uint32_t>(any ? llroundf(r * 4294967296.0f) : 0);
      const float scale = 1.0f / (1.0f - r);
      uint32_t bits[N];
      draw(i, bits);
      for (int k = 0; k < N; ++k) v[k] = any && bits[k] >= bound ? v[k] * scale : 0.0f;
    }
    store_floats(y + i, v);
  }

  template <int N>
  __device__ void draw(int64_t i, uint32_t (&bits)[N]) const {
    const PhiloxKey seed{static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])};
    const auto group = [&](int64_t g) {
      return philox4x32({{static_cast<uint32_t>(g), static_cast<uint32_t>(key[2]), static_cast<uint32_t>(key[3]), stream}}, seed);
    };
    if constexpr (N == 1) {
      const Philox4 four = group(i / 4);
      const int k = static_cast<int>(i % 4);
      bits[0] = k == 0 ? four.word[0] : k == 1 ? four.word[1] : k == 2 ? four.word[2] : four.word[3];  // no array indexed at run time
    } else {
      for (int k = 0; k < N; k += 4) {
        const Philox4 four = group((i + k) / 4);
        for (int w = 0; w < 4; ++w) bits[k + w] = four.word[w];
      }
    }
  }
};

}  // namespace

void dropout_cuda(const Call& c, Launcher& l) {
  using Op = op::dropout;
  const Tensor &x = c.in[Op::x], &y = c.out[Op::o_y];
  with_types([&](auto tx, auto ty) {
    using X = decltype(tx);
    using Y = decltype(ty);
    for_elements(l, y.size(), Dropout<X, Y>{data<X>(x), data<int32_t>(c.in[Op::key]), data<float>(c.in[Op::rate]), data<Y>(y), static_cast<uint32_t>(c.attr[Op::a_stream].i)});
  }, x, y);
}

}  // namespace ht::cuda
