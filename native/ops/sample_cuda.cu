// Sampling the next token on the device: one block per row (1,024 threads where the vocabulary is large), and a second kernel for the stop flag where there are
// several rows. Rules: decode_ref.cc and decode_pick.cc, whose tokens this kernel picks.
//
// A weight is exp((logit - top) / temperature) as an integer: a multiple of 2^-47 for a vocabulary of 32,128 (in general, as fine as
// 62 bits of sum allow). exp is evaluated in fp64, as the reference does it: in fp32 one draw in some thousand would pick the
// neighbour. Sums of integers are exact, so threads may add them in any order, and what is drawn depends on the row alone.
//
// Passes over the row, which comes from device memory once and then from L1 or L2:
//   1. largest element (its key, so that ties go to the smaller id) and lowest finite one
//   2. top-k only: the value of the k-th (select_cuda.cuh, two reads as a rule)
//   3. top-p only: the key of the last one of the nucleus (likewise)
//   4. sum of exponentials for logp, and mass of the consecutive segments that the warps own
//   5. the segment that holds the drawn number, one element per thread
// fp64 work: passes 3 and 4, on the elements kept only.
#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/decode.h"
#include "ops/select_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kStopThreads = 256;

struct State {
  int32_t *token, *length, *done, *history;
  int64_t room;
};

// SampleParams of decode.h, from what lies on the device.
struct RowRules {
  double temperature, top_p;
  int64_t top_k, limit;

  __device__ RowRules(const float* params, int64_t vocabulary, int64_t room) {
    const double t = params[0], k = params[1], p = params[2], n = params[3];
    temperature = t > 0 ? t : 0;
    top_k = k >= 1 && k < static_cast<double>(vocabulary) ? static_cast<int64_t>(k) : 0;
    top_p = p < 1 ? p : 1;
    limit = n < static_cast<double>(room) ? (n > 0 ? static_cast<int64_t>(n) : 0) : room;
  }
};

struct Weight {
  double top, inverse_temperature, one;

  __device__ Mass of(float x) const { return x < -kLargest ? 0 : static_cast<Mass>(exp((x - top) * inverse_temperature) * one + 0.5); }
};

template <class X>
__device__ int32_t draw(const Row<X, Usable>& row, const RowRules& rules, float top, float lowest, double uniform, int best, int sum_bits, float& others) {
  SHARED(Mass, segment_mass, [kMostRowThreads / kWarp]);
  SHARED(int32_t, picked, [1]);
  const Weight weight{top, 1.0 / rules.temperature, static_cast<double>(Mass{1} << sum_bits)};
  const bool greedy = rules.temperature == 0;

  uint64_t last = 0;  // elements with smaller keys are out
  if (!greedy && rules.top_k) {
    const auto wanted = [&](uint32_t) { return static_cast<uint32_t>(rules.top_k); };
    last = last_selected<true, uint32_t>(row, Spread(top, top - lowest), [](float, int64_t) { return 1u; }, wanted) >> 32 << 32;  // whatever ties with the k-th stays
  }
  const auto kept_mass = [&](float x, int64_t id) { return key_of(x, id) < last ? Mass{0} : weight.of(x); };
  if (!greedy && rules.top_p < 1) {
    const auto wanted = [&](Mass total) {
      const double mass = ceil(rules.top_p * static_cast<double>(total));
      return mass < 1 ? Mass{1} : mass < static_cast<double>(total) ? static_cast<Mass>(mass) : total;
    };
    // No weight is left this far below the largest.
    const float range = static_cast<float>(fmin(static_cast<double>(top) - lowest, (sum_bits + 1) * 0.6931471805599453 * rules.temperature));
    last = last_selected<false, Mass>(row, Spread(top, range), kept_mass, wanted);
  }

  // Warps own consecutive segments.
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, warps = blockDim.x / kWarp;
  const int64_t groups = (row.width + kRowGroup - 1) / kRowGroup, segment = (groups + warps - 1) / warps * kRowGroup;
  const int64_t begin = min(warp * segment, row.width), end = min(begin + segment, row.width);
  float sum = 0;
  Mass mass = 0;
  row.visit(begin, end, lane, kWarp, [&](float x, int64_t id) {
    if (id != best) sum += __expf(x - top);
    if (!greedy) mass += kept_mass(x, id);
  });
  others = block_total(sum);
  if (greedy) return best;

  mass = warp_sum(mass);
  if (lane == 0) segment_mass[warp] = mass;
  __syncthreads();
  Mass total = 0;
  for (int w = 0; w < warps; ++w) total += segment_mass[w];
  const double target = floor(uniform * static_cast<double>(total));
  Mass left = target < static_cast<double>(total) ? static_cast<Mass>(target) : total;  // the token drawn is the first whose cumulative mass exceeds it
  left = min(left, total - 1);
  int64_t from = 0;
  for (int w = 0; w < warps - 1 && left >= segment_mass[w]; ++w) {
    left -= segment_mass[w];
    from += segment;
  }
  for (const int64_t to = min(from + segment, row.width); from < to; from += blockDim.x) {
    const int64_t id = from + threadIdx.x;
    const Mass own = id < to ? kept_mass(row[id], id) : 0;
    Mass here;
    const Mass before = block_sum_before(own, here);
    if (before <= left && left < before + own) picked[0] = static_cast<int32_t>(id);
    if (left < here) break;
    left -= here;
  }
  __syncthreads();
  return picked[0];
}

template <class X>
__global__ void __launch_bounds__(kMostRowThreads, 1) sample_kernel(const X* x, int64_t vocabulary, int sum_bits, State s, const float* params, const int32_t* seed, const int32_t* eos, int64_t ends, int32_t pad,
                                                          int32_t* next, float* logp, int32_t* stop, int32_t* bad_index) {
  SHARED(int32_t, state, [2]);
  const int64_t r = blockIdx.x;
  if (threadIdx.x == 0) {  // read once: the row's state is written below
    state[0] = s.done[r];
    state[1] = s.length[r];
  }
  __syncthreads();
  const RowRules rules(params + 4 * r, vocabulary, s.room);
  const int32_t at = max(state[1], 0);
  const bool open = checked_index(state[1], 0, s.room + 1, threadIdx.x == 0 ? bad_index : nullptr) < rules.limit && !state[0];

  int32_t token = -1;
  float log_probability = 0;
  if (open) {
    const Row<X, Usable> row(x, r, vocabulary);
    uint64_t best = 0;
    float lowest = kLargest;
    row.visit([&](float v, int64_t id) {
      best = max(best, key_of(v, id));
      if (v >= -kLargest) lowest = fminf(lowest, v);
    });
    best = block_reduce(best, uint64_t{0}, [](uint64_t a, uint64_t b) { return max(a, b); });
    lowest = block_reduce(lowest, kLargest, [](float a, float b) { return fminf(a, b); });
    const float top = value_of(best);
    if (best != 0 && top >= -kLargest) {
      float others;  // sum of exponentials but for the largest, whose 1 would swallow the digits of a small rest
      token = draw(row, rules, top, lowest, sample_uniform(seed + 2 * r, at), id_of(best), sum_bits, others);
      log_probability = row[token] - top - log1pf(others);
    }
  }
  if (threadIdx.x != 0) return;
  bool done = true;
  if (token >= 0) {
    s.history[r * s.room + at] = token;
    s.token[r] = token;
    s.length[r] = at + 1;
    done = at + 1 >= rules.limit;
    for (int64_t e = 0; e < ends && !done; ++e) done = eos[e] == token;
  }
  if (done) s.done[r] = 1;
  next[r] = token >= 0 ? token : pad;
  logp[r] = log_probability;
  if (gridDim.x == 1) stop[0] = done;
}

__global__ void __launch_bounds__(kStopThreads) stop_kernel(const int32_t* done, int64_t rows, int32_t* stop) {
  bool all = true;
  for (int64_t r = threadIdx.x; r < rows; r += kStopThreads) all = all && done[r];
  all = __syncthreads_and(all);
  if (threadIdx.x == 0) stop[0] = all;
}

}  // namespace

void sample_cuda(const Call& c, Launcher& l) {
  using Op = op::sample;
  const Tensor &x = c.in[Op::x], &eos = c.in[Op::eos], &history = c.in[Op::history];
  const int64_t rows = x.dim[0], vocabulary = x.dim[1];
  const State state{data<int32_t>(c.in[Op::token]), data<int32_t>(c.in[Op::length]), data<int32_t>(c.in[Op::done]), data<int32_t>(history), history.dim[1]};
  int32_t* const stop = data<int32_t>(c.out[Op::o_stop]);
  int sum_bits = 62;  // of a weight, so that all of them together stay below 2^63
  while (sum_bits > 0 && vocabulary >> (62 - sum_bits)) --sum_bits;
  with_types([&](auto type) {
    using X = decltype(type);
    l.launch(sample_kernel<X>, dim3(static_cast<unsigned>(rows)), dim3(row_threads(vocabulary)), 0, data<X>(x), vocabulary, sum_bits, state, data<float>(c.in[Op::params]), data<int32_t>(c.in[Op::seed]), data<int32_t>(eos),
             eos.dim[0], c.attr[Op::a_pad].i, data<int32_t>(c.out[Op::o_next]), data<float>(c.out[Op::o_logp]), stop, l.bad_index());
  }, x);
  if (rows != 1) l.launch(stop_kernel, dim3(1), dim3(kStopThreads), 0, state.done, rows, stop);
}

}  // namespace ht::cuda
