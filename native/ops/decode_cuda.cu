// log_softmax and top_k over rows of logits on the device. Rules for NaN and infinities: decode_ref.cc.
//
// Layout: a block per row, of 1,024 threads where the vocabulary is large. The row (128 KB for a vocabulary of 32,128 in fp32) comes from device
// memory once; later passes find it in L1 or L2. log_softmax: the maximum, the sum, the result: R V (read + 4 bytes written).
// top_k: the range of the row, the key of the k-th (select_cuda.cuh), then the k elements from that key on, in any order, which are
// sorted in shared memory (bitonic). Keys are distinct, so the result does not depend on the order in which they came.
#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/select_cuda.cuh"

namespace ht::cuda {
namespace {

template <class X>
__global__ void __launch_bounds__(kMostRowThreads, 1) log_softmax_kernel(const X* x, float* y, int64_t width) {
  const Row<X, AsStored> row(x, blockIdx.x, width);
  const auto larger = [](float a, float b) { return a != a || a > b ? a : b; };  // NaN wins, as it does in a sum
  float top = -infinity();
  row.visit([&](float v, int64_t) { top = larger(v, top); });
  top = block_reduce(top, -infinity(), larger);
  const bool closed = top == -infinity();  // without any chance everything stays -inf

  float sum = 0;
  row.visit([&](float v, int64_t) { sum += __expf(v - top); });
  const float log_sum = logf(block_total(sum));
  float* const out = y + blockIdx.x * width;
  const bool out_aligned = rows_aligned(y, width);
  for (int64_t i = int64_t{threadIdx.x} * kRowGroup; i < width; i += int64_t{blockDim.x} * kRowGroup) {
    float v[kRowGroup];
    load_group(row.x + i, width - i, row.aligned, v);
#pragma unroll
    for (int k = 0; k < kRowGroup; ++k) v[k] = closed ? -infinity() : v[k] - top - log_sum;
    store_group(out + i, width - i, out_aligned, v);
  }
}

template <class X>
__global__ void __launch_bounds__(kMostRowThreads, 1) top_k_kernel(const X* x, int64_t width, int k, int list_size, float* value, int32_t* id) {
  DYN_SHARED(uint64_t, list);  // [list_size], a power of two
  SHARED(uint32_t, listed, [1]);
  const Row<X, NanLowest> row(x, blockIdx.x, width);
  const int found = static_cast<int>(min(int64_t{k}, width));
  uint64_t last = 0;
  if (found < width) {
    float top = -kLargest, lowest = kLargest;  // the lowest of the finite ones: -inf may share the last bin with it
    row.visit([&](float v, int64_t) {
      top = fmaxf(top, fminf(v, kLargest));
      if (v >= -kLargest) lowest = fminf(lowest, v);
    });
    top = block_reduce(top, -kLargest, [](float a, float b) { return fmaxf(a, b); });
    lowest = block_reduce(lowest, kLargest, [](float a, float b) { return fminf(a, b); });
    last = last_selected<false, uint32_t>(row, Spread(top, top - lowest), [](float, int64_t) { return 1u; }, [&](uint32_t) { return static_cast<uint32_t>(found); });
  }

  if (threadIdx.x == 0) listed[0] = 0;
  for (int i = found + threadIdx.x; i < list_size; i += blockDim.x) list[i] = 0;
  __syncthreads();
  row.visit([&](float v, int64_t i) {
    const uint64_t key = key_of(v, i);
    if (key >= last) list[atomicAdd(&listed[0], 1u)] = key;
  });
  __syncthreads();
  for (int run = 2; run <= list_size; run *= 2) {
    for (int stride = run / 2; stride > 0; stride /= 2) {
      for (int p = threadIdx.x; p < list_size / 2; p += blockDim.x) {
        const int i = 2 * p - (p & (stride - 1)), j = i + stride;
        const uint64_t a = list[i], b = list[j];
        const bool descending = (i & run) == 0;
        if (descending == (a < b)) {
          list[i] = b;
          list[j] = a;
        }
      }
      __syncthreads();
    }
  }
  for (int i = threadIdx.x; i < k; i += blockDim.x) {
    value[int64_t{blockIdx.x} * k + i] = i < found ? value_of(list[i]) : -infinity();
    id[int64_t{blockIdx.x} * k + i] = i < found ? id_of(list[i]) : -1;  // fewer than k tokens exist
  }
}

}  // namespace

void log_softmax_cuda(const Call& c, Launcher& l) {
  const Tensor &x = c.in[op::log_softmax::x], &y = c.out[op::log_softmax::o_y];
  with_types([&](auto type) {
    using X = decltype(type);
    l.launch(log_softmax_kernel<X>, dim3(static_cast<unsigned>(x.dim[0])), dim3(row_threads(x.dim[1])), 0, data<X>(x), data<float>(y), x.dim[1]);
  }, x);
}

void top_k_cuda(const Call& c, Launcher& l) {
  using Op = op::top_k;
  const Tensor& x = c.in[Op::x];
  const int k = c.attr[Op::a_k].i;
  int list_size = 1;
  while (list_size < k) list_size *= 2;
  with_types([&](auto type) {
    using X = decltype(type);
    l.launch(top_k_kernel<X>, dim3(static_cast<unsigned>(x.dim[0])), dim3(row_threads(x.dim[1])), list_size * sizeof(uint64_t), data<X>(x), x.dim[1], k, list_size, data<float>(c.out[Op::o_value]),
             data<int32_t>(c.out[Op::o_id]));
  }, x);
}

}  // namespace ht::cuda
