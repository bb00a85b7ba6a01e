// Adds one key or value row per sequence to a cache. Formula: kv_append_ref.cc.
//
// Layout: a block per row and 1,024 elements of it: rows of neighbouring sequences lie cache_len rows apart, so only the elements of
// one row are neighbours. Bytes moved: each row read once and written once; a step's rows are few, so the launch itself is the time.
#include "core/ops_cuda.gen.h"
#include "cuda/device.cuh"
#include "cuda/launcher.h"
#include "cuda/types.h"

namespace ht::cuda {
namespace {

constexpr int kThreads = 128, kPerThread = 8;

// cache_rows: sequences that the cache was made for.
template <class C, class X>
__global__ void __launch_bounds__(kThreads) kv_append_kernel(C* cache, const X* x, const int32_t* length, int64_t cache_rows, int64_t cache_len, int64_t width, int32_t* bad_index) {
  const int64_t r = blockIdx.x, position = checked_index(length[r], 0, cache_len + 1, bad_index) - 1;
  if (position < 0) return;
  if (r >= cache_rows) {
    atomicExch(bad_index, 1);
    return;
  }
  const int64_t begin = int64_t{blockIdx.y} * kThreads * kPerThread, end = min(begin + kThreads * kPerThread, width);
  for (int64_t j = begin + threadIdx.x; j < end; j += kThreads) store(cache + (r * cache_len + position) * width + j, to_float(x[r * width + j]));
}

}  // namespace

void kv_append_cuda(const Call& c, Launcher& l) {
  using Op = op::kv_append;
  const Tensor &cache = c.in[Op::cache], &x = c.in[Op::x];
  const int64_t cache_len = c.attr[Op::a_cache_len].i, width = x.dim[1];
  with_types([&](auto tc, auto tx) {
    using C = decltype(tc);
    using X = decltype(tx);
    l.launch(kv_append_kernel<C, X>, dim3(static_cast<unsigned>(x.dim[0]), std::max(blocks_for(width, kThreads * kPerThread), 1u)), dim3(kThreads), 0, data<C>(cache), data<X>(x),
             data<const int32_t>(c.in[Op::length]), cache.dim[0] / cache_len, cache_len, width, l.bad_index());
  }, cache, x);
}

}  // namespace ht::cuda
