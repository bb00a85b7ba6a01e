// Constraints on the next token on the device. Rules and their order: logit_rules_ref.cc.
//
// Layout: a block per row and slice of 4,096 tokens. The slice is read into shared memory, constrained there and written: R V (read +
// 4 bytes written). Each slice matches the rules again and keeps what concerns its own tokens; that is some hundred comparisons.
// Rules may name a token many times: the penalty starts from the operand and forbidding is final, so all of them write the same.
#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/logit_row_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kThreads = 256, kSlice = 4096;

struct List {
  const int32_t* ids;
  int64_t count;

  __device__ bool holds(int32_t id) const {
    for (int64_t i = 0; i < count; ++i)
      if (ids[i] == id) return true;
    return false;
  }
};

struct Rules {
  const int32_t *history, *length;
  int64_t room;
  float penalty;
  int64_t ngram, min_length;
  List eos, suppress;
  const int32_t* banned;
  int64_t sequences, longest;
};

__device__ __forceinline__ bool same(const int32_t* a, const int32_t* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (a[i] != b[i]) return false;
  return true;
}

template <class X>
__global__ void __launch_bounds__(kThreads) logit_rules_kernel(const X* x, float* y, int64_t vocabulary, int64_t slices, Rules rules, int32_t* bad_index) {
  SHARED(float, slice, [kSlice]);
  const int64_t r = blockIdx.x / slices, first = blockIdx.x % slices * kSlice, size = min(int64_t{kSlice}, vocabulary - first);
  const X* const row = x + r * vocabulary;
  const bool aligned = rows_aligned(x, vocabulary);
  for (int64_t i = threadIdx.x * kGroup<X>; i < size; i += kThreads * kGroup<X>) {
    float v[kGroup<X>];
    load_group(row + first + i, size - i, aligned, v);
#pragma unroll
    for (int k = 0; k < kGroup<X>; ++k) slice[i + k] = v[k];
  }
  __syncthreads();

  const auto put = [&](int64_t id, float v) {
    if (id >= first && id < first + size) atomicExch(&slice[id - first], v);
  };
  const auto forbid = [&](int64_t id) { put(checked_index(id, 0, vocabulary, bad_index), -infinity()); };
  const int32_t* const history = rules.history + r * rules.room;
  const int64_t length = checked_index(rules.length[r], 0, rules.room + 1, bad_index);
  if (rules.penalty != 1) {
    for (int64_t t = threadIdx.x; t < length; t += kThreads) {
      const int64_t id = checked_index(history[t], 0, vocabulary, bad_index);
      const float v = to_float(row[id]);
      put(id, v < 0 ? v * rules.penalty : v / rules.penalty);
    }
    __syncthreads();
  }
  if (rules.ngram > 0)
    for (int64_t t = threadIdx.x; t + rules.ngram <= length; t += kThreads)
      if (same(history + length - (rules.ngram - 1), history + t, rules.ngram - 1)) forbid(history[t + rules.ngram - 1]);
  for (int64_t b = threadIdx.x; b < rules.sequences; b += kThreads) {
    const int32_t* const sequence = rules.banned + b * rules.longest;
    int64_t n = 0;
    while (n < rules.longest && sequence[n] >= 0) ++n;
    if (n == 1 ? !rules.eos.holds(sequence[0]) : n > 1 && n <= length && same(sequence, history + length - (n - 1), n - 1)) forbid(sequence[n - 1]);
  }
  if (length < rules.min_length)
    for (int64_t i = threadIdx.x; i < rules.eos.count; i += kThreads) forbid(rules.eos.ids[i]);
  for (int64_t i = threadIdx.x; i < rules.suppress.count; i += kThreads) forbid(rules.suppress.ids[i]);
  __syncthreads();

  const bool to_aligned = rows_aligned(y, vocabulary);
  for (int64_t i = threadIdx.x * kGroup<float>; i < size; i += kThreads * kGroup<float>) {
    float v[kGroup<float>];
#pragma unroll
    for (int k = 0; k < kGroup<float>; ++k) v[k] = slice[i + k];
    store_group(y + r * vocabulary + first + i, size - i, to_aligned, v);
  }
}

List list_of(const Tensor& t) { return {data<int32_t>(t), t.size()}; }

}  // namespace

void logit_rules_cuda(const Call& c, Launcher& l) {
  using Op = op::logit_rules;
  const Tensor &x = c.in[Op::x], &history = c.in[Op::history], &banned = c.in[Op::banned];
  const int64_t rows = x.dim[0], vocabulary = x.dim[1], slices = (vocabulary + kSlice - 1) / kSlice;
  const Rules rules{data<int32_t>(history), data<int32_t>(c.in[Op::length]), history.dim[1], c.attr[Op::a_repetition_penalty].f, c.attr[Op::a_no_repeat_ngram].i, c.attr[Op::a_min_length].i,
                    list_of(c.in[Op::eos]), list_of(c.in[Op::suppress]), data<int32_t>(banned), banned ? banned.dim[0] : 0, banned ? banned.dim[1] : 0};
  with_types([&](auto type) {
    using X = decltype(type);
    l.launch(logit_rules_kernel<X>, dim3(static_cast<unsigned>(rows * slices)), dim3(kThreads), 0, data<X>(x), data<float>(c.out[Op::o_y]), vocabulary, slices, rules, l.bad_index());
  }, x);
}

}  // namespace ht::cuda
