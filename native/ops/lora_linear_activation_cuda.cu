// Activations that a product cannot take as they are: scaled per slot, in f32. The product reads what was written here from the L2.
// Bytes moved: 6 or 8 per element (x read, y written). A block has one token, so its slot is looked up once, and 1,024 columns.
#include "ops/lora_linear_low_rank_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kScaleThreads = 256;

// y = x * scale[slot of the token], f32; a block per token and 1,024 columns.
template <class X>
__global__ void __launch_bounds__(kScaleThreads) scaled_kernel(const X* x, const float* scale, TokenMap map, float* y, int64_t width, int64_t blocks, int32_t* bad_index) {
  const int64_t t = blockIdx.x / blocks, first = blockIdx.x % blocks * 4 * kScaleThreads;
  const int32_t slot = scale ? map.slot(t, bad_index) : -1;
  for (int i = 0; i < 4; ++i) {
    const int64_t j = first + i * kScaleThreads + threadIdx.x;
    if (j < width) y[t * width + j] = to_float(x[t * width + j]) * (slot < 0 ? 1.0f : scale[slot * width + j]);
  }
}

}  // namespace

Activation activation(Launcher& l, const Tensor& x, const Tensor& scale, const TokenMap& map, DType w_dtype) {
  if (!scale && (w_dtype == DType::BF16 || x.dtype == DType::F32)) return {x.data, x.dtype};
  float* const copy = l.scratch<float>(x.dim[0] * x.dim[1]);
  const int64_t blocks = (x.dim[1] + 4 * kScaleThreads - 1) / (4 * kScaleThreads);
  with_types([&](auto type) {
    using X = decltype(type);
    l.launch(scaled_kernel<X>, dim3(static_cast<unsigned>(x.dim[0] * blocks)), dim3(kScaleThreads), 0, data<const X>(x), data<const float>(scale), map,
             copy, x.dim[1], blocks, l.bad_index());
  }, x);
  return {copy, DType::F32};
}

}  // namespace ht::cuda
