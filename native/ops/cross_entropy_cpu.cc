// Cross-entropy fused with the head on the CPU.
//
// Logits live in 4 MB of scratch only: a block of tokens times a chunk of the vocabulary, [<= 512, V_c], one product each.
// Forward, each row of the chunk is folded into the token's running maximum and sum of exponentials (Milakov & Gimelshein
// 2018, "Online normalizer calculation for softmax"). Backward, the chunk is computed again, turned into dlogits in place
// and multiplied from both sides while it is in cache. W is read once per 512 tokens (backward: three times), x once per
// chunk; few tokens make one chunk of the whole vocabulary, which can use the panel of a frozen head.
#ifndef HT_ISA_PASS
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/ops.gen.h"
#include "cpu/gemm.h"
#include "cpu/gemm_int8.h"
#include "cpu/vec.h"
#include "cpu/workspace.h"
#include "ops/chunks.h"
#include "ops/packed_weight.h"
#include "ops/row_map.h"
#define HT_KERNELS "ops/cross_entropy_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {
namespace {

constexpr int64_t kTokens = 512;         // of one block
constexpr int64_t kLogits = 1 << 20;     // of one chunk
constexpr int64_t kLeastColumns = 512;   // of one chunk, however many tokens
constexpr int64_t kMostTerms = 4096;     // of dx that one product sums in fp32: more would cost digits

cpu::Matrix rows_of(const Tensor& t, int64_t begin, int64_t count) {
  const auto* data = static_cast<const char*>(t.data) + begin * t.dim[1] * static_cast<int64_t>(dtype_size(t.dtype));
  return cpu::Matrix::of(data, t.dtype, count, t.dim[1]);
}

// A block of tokens times a chunk of the vocabulary, with the logits of both.
struct Chunk {
  int64_t t0, tokens, v0, columns;
  float* logits;  // [tokens, columns]

  cpu::Matrix matrix() const { return cpu::Matrix::of(logits, DType::F32, tokens, columns); }
  float* row(int64_t i) const { return logits + i * columns; }
};

// Visits all chunks, blocks of tokens outside, the vocabulary inside, both ascending. w_scale: where w is int8.
template <class F>
void for_each_chunk(const Tensor& x, const Tensor& w, const Tensor& w_scale, float scale, int64_t most_columns, const F& visit) {
  const int64_t tokens = x.dim[0], vocabulary = w.dim[0], block = std::min(tokens, kTokens);
  if (tokens == 0 || vocabulary == 0) return;
  const int64_t columns = std::min(most_columns, std::max(kLeastColumns, kLogits / block));
  const cpu::Workspace memory(static_cast<size_t>(block * columns) * sizeof(float));
  const cpu::PackedB packed = columns == vocabulary ? packed_weight(w, Panel::Forward) : cpu::PackedB();
  for (int64_t t0 = 0; t0 < tokens; t0 += block) {
    for (int64_t v0 = 0; v0 < vocabulary; v0 += columns) {
      const Chunk chunk{t0, std::min(block, tokens - t0), v0, std::min(columns, vocabulary - v0), memory.as<float>()};
      const auto logits = cpu::MatrixOut::of(chunk.logits, DType::F32, chunk.tokens, chunk.columns);
      if (w_scale) {
        cpu::gemm_int8(cpu::Int8Rows(rows_of(x, t0, chunk.tokens), scale), rows_of(w, v0, chunk.columns), w_scale.f32() + v0, logits, {&packed, {}});
      } else {
        cpu::GemmOptions options;
        options.alpha = scale;
        options.packed_b = &packed;
        cpu::gemm(rows_of(x, t0, chunk.tokens), rows_of(w, v0, chunk.columns).t(), logits, options);
      }
      visit(chunk);
    }
  }
}

// log sum exp so far: max + log(sum).
struct Normalizer {
  double max = -std::numeric_limits<double>::infinity(), sum = 0;
  void add(double other_max, double other_sum) {
    const double most = std::max(max, other_max);
    if (other_sum != 0) sum = (sum == 0 ? 0 : sum * std::exp(max - most)) + other_sum * std::exp(other_max - most);
    max = most;
  }
};

}  // namespace

void cross_entropy_cpu(const Call& call) {
  using O = op::cross_entropy;
  const Tensor &x = call.in[O::x], &w = call.in[O::w];
  const int64_t tokens = x.dim[0];
  const auto row_sum = HT_DISPATCH(sum_of_exponentials);
  std::vector<Normalizer> normalizers(static_cast<size_t>(tokens));
  std::vector<int64_t> labels(static_cast<size_t>(tokens));
  std::vector<double> label_logits(static_cast<size_t>(tokens));
  for (int64_t t = 0; t < tokens; ++t) labels[t] = checked_index(call.in[O::labels], t, -1, w.dim[0], call.flags);

  for_each_chunk(x, w, call.in[O::w_scale], call.attr[O::a_scale].f, w.dim[0], [&](const Chunk& chunk) {
    for_row_chunks(chunk.tokens, chunk.columns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t t = chunk.t0 + i, label = labels[t] - chunk.v0;
        float max;
        const float sum = row_sum(chunk.row(i), chunk.columns, &max);
        normalizers[t].add(max, sum);
        if (label >= 0 && label < chunk.columns) label_logits[t] = chunk.row(i)[label];
      }
    });
  });
  for (int64_t t = 0; t < tokens; ++t) {
    const double lse = normalizers[t].max + std::log(normalizers[t].sum);
    call.out[O::o_lse].f32()[t] = static_cast<float>(lse);
    call.out[O::o_logp].f32()[t] = labels[t] < 0 ? 0.0f : static_cast<float>(label_logits[t] - lse);
  }
}

void cross_entropy_grad_cpu(const Call& call) {
  using O = op::cross_entropy_grad;
  const Tensor &x = call.in[O::x], &w = call.in[O::w];
  const float *lse = call.in[O::lse].f32(), *g = call.in[O::g].f32();
  const float scale = call.attr[O::a_scale].f;
  Tensor &dx = call.out[O::o_dx], &dw = call.out[O::o_dw];
  const int64_t d = x.dim[1];
  const auto to_gradient = HT_DISPATCH(logits_to_gradient);
  if (w.dim[0] == 0) std::fill_n(dx.f32(), dx.size(), 0.0f);
  if (dw && x.dim[0] == 0) std::fill_n(dw.f32(), dw.size(), 0.0f);

  for_each_chunk(x, w, Tensor(), scale, std::min(w.dim[0], kMostTerms), [&](const Chunk& chunk) {
    for_row_chunks(chunk.tokens, chunk.columns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t t = chunk.t0 + i, label = checked_index(call.in[O::labels], t, -1, w.dim[0], call.flags);
        if (label < 0) std::fill_n(chunk.row(i), chunk.columns, 0.0f);
        else to_gradient(chunk.row(i), chunk.columns, lse[t], scale * g[t], label - chunk.v0);
      }
    });
    cpu::GemmOptions options;
    options.accumulate = chunk.v0 > 0;
    cpu::gemm(chunk.matrix(), rows_of(w, chunk.v0, chunk.columns),
              cpu::MatrixOut::of(dx.f32() + chunk.t0 * d, DType::F32, chunk.tokens, d), options);
    options.accumulate = chunk.t0 > 0;
    if (dw)
      cpu::gemm(chunk.matrix().t(), rows_of(x, chunk.t0, chunk.tokens),
                cpu::MatrixOut::of(dw.f32() + chunk.v0 * d, DType::F32, chunk.columns, d), options);
  });
}

}  // namespace ht
#else
// Sum of exp(x - max), 0 where all are -inf; max is an output.
float sum_of_exponentials(const float* x, int64_t n, float* max_out) {
  const int64_t whole = n - n % Vec::lanes;
  Vec most = Vec::set1(-INFINITY);
  for (int64_t i = 0; i < whole; i += Vec::lanes) most = max(most, Vec::load(x + i));
  float peak = hmax(most);
  for (int64_t i = whole; i < n; ++i) peak = x[i] <= peak ? peak : x[i];  // a NaN is kept
  *max_out = peak;
  if (peak == -INFINITY) return 0;

  Vec total = Vec::zero();
  for (int64_t i = 0; i < whole; i += Vec::lanes) total = total + exp(Vec::load(x + i) - Vec::set1(peak));
  float result = sum(total);
  for (int64_t i = whole; i < n; ++i) result += std::exp(x[i] - peak);
  return result;
}

// logits[j] = g (onehot - exp(logits[j] - lse)); label may lie outside [0, n).
void logits_to_gradient(float* logits, int64_t n, float lse, float g, int64_t label) {
  const Vec shift = Vec::set1(lse), factor = Vec::set1(-g);
  for_each_vec(n, [&](int64_t i, int lanes) {
    (factor * exp(Vec::load(logits + i, lanes) - shift)).store(logits + i, lanes);
  });
  if (label >= 0 && label < n) logits[label] += g;
}
#endif
