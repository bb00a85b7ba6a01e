// prefix_attention on the CPU: online softmax (Milakov & Gimelshein 2018) over steps of 48 keys for blocks of 64 queries.
//
// Layout: packed rows [T, heads * d_k]; a tile is (row, head, block of queries). It copies its queries (transposed) and,
// step by step, its keys and values into float blocks that stay in the L2, so bf16, any d_k and scattered prefix pages cost
// a copy only. Prefix rows are just the first steps. Scores exist for one step at a time: memory is O(S), and K and V are
// read once per 64 queries. A tile is computed by one thread in a fixed order.
#ifndef HT_ISA_PASS
#include <cmath>

#include "core/ops.gen.h"
#include "cpu/threads.h"
#include "cpu/vec.h"
#include "ops/prefix_attention_tile.h"

namespace ht {

struct AttentionResult {
  void* o;  // rows like q
  DType dtype;
  float* lse;  // of the head, or null
  int64_t lse_stride;
};

}  // namespace ht
#define HT_KERNELS "ops/prefix_attention_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void prefix_attention_cpu(const Call& call) {
  using O = op::prefix_attention;
  const AttentionPlan plan(call, O{});
  Tensor &o = call.out[O::o_o], &lse = call.out[O::o_lse];
  struct Unit {
    int64_t row, head, first;
  };
  std::vector<Unit> units;
  for (size_t r = 0; r < plan.rows.size(); ++r)
    for (int64_t h = 0; h < plan.heads; ++h)
      for (int64_t i = 0; i < plan.rows[r].q1 - plan.rows[r].q0; i += kQueryBlock) units.push_back({static_cast<int64_t>(r), h, i});
  const auto kernel = HT_DISPATCH(attend);
  cpu::parallel(static_cast<int64_t>(units.size()), [&](int64_t index, int) {
    const Unit& unit = units[index];
    const AttentionRow& row = plan.rows[unit.row];
    const AttentionTile tile = plan.tile(unit.row, unit.head, unit.first, std::min(kQueryBlock, row.q1 - row.q0 - unit.first));
    kernel(tile, {o.data, o.dtype, lse ? lse.f32() + unit.head : nullptr, plan.heads});
  });
}

}  // namespace ht
#else
#include "ops/small_product.inc"
#include "ops/attention_block.inc"

// Folds a step's scores into the running maximum and sum of every query, leaves exp(score - maximum) in their place and
// in `rescale` the factor for what was summed before.
HT_INLINE void fold(float* scores, int64_t count, int64_t nq, float* maximum, float* total, float* rescale) {
  for (int64_t i = 0; i < nq; i += Vec::lanes) {
    const Vec before = Vec::load(maximum + i);
    Vec most = before;
    for (int64_t j = 0; j < count; ++j) most = max(most, Vec::load(scores + j * nq + i));
    const Vec shift = select(most == Vec::set1(-INFINITY), Vec::zero(), most);  // nothing seen yet: every exponential is 0
    const Vec factor = exp(before - shift);
    Vec sum = Vec::load(total + i) * factor;
    for (int64_t j = 0; j < count; ++j) {
      const Vec p = exp(Vec::load(scores + j * nq + i) - shift);
      p.store(scores + j * nq + i);
      sum = sum + p;
    }
    most.store(maximum + i);
    sum.store(total + i);
    factor.store(rescale + i);
  }
}

void attend(const AttentionTile& t, const AttentionResult& result) {
  const int64_t nq = t.padded_queries(), dim = t.padded_dim();
  float* const queries = static_cast<float*>(
      thread_scratch(static_cast<size_t>(nq * dim * 3 + 2 * kKeyBlock * dim + kKeyBlock * nq + 3 * nq) * sizeof(float)));
  float* const queries_t = queries + nq * dim;
  float* const sums = queries_t + nq * dim;
  float* const keys = sums + nq * dim;
  float* const values = keys + kKeyBlock * dim;
  float* const scores = values + kKeyBlock * dim;
  float* const maximum = scores + kKeyBlock * nq;
  float* const total = maximum + nq;
  float* const rescale = total + nq;

  load_queries(t.q, t.q0, t.queries, nq, t.column, t.head_dim, dim, queries, queries_t);
  std::fill_n(sums, nq * dim, 0.0f);
  std::fill_n(maximum, nq, -INFINITY);
  std::fill_n(total, nq, 0.0f);
  for_each_step(t, [&](bool prefix, int64_t first, int64_t count) {
    load_keys(t, prefix, first, count, keys, values);
    score_step(t, prefix, first, count, keys, queries_t, scores);
    fold(scores, count, nq, maximum, total, rescale);
    for (int64_t i = 0; i < t.queries; ++i) {
      if (rescale[i] == 1.0f) continue;
      for (int64_t c = 0; c < dim; c += Vec::lanes) (Vec::load(sums + i * dim + c) * Vec::set1(rescale[i])).store(sums + i * dim + c);
    }
    small_product<true>(t.queries, dim, count, scores, 1, nq, values, dim, sums, dim);
  });

  for (int64_t i = 0; i < t.queries; ++i) {
    const Vec inverse = Vec::set1(total[i] == 0.0f ? 0.0f : 1.0f / total[i]);
    const int64_t out = (t.q0 + i) * t.q.width + t.column;
    for_each_vec(t.head_dim, [&](int64_t c, int lanes) {
      const Vec v = Vec::load(sums + i * dim + c) * inverse;
      if (result.dtype == DType::BF16) v.store(static_cast<bf16_t*>(result.o) + out + c, lanes);
      else v.store(static_cast<float*>(result.o) + out + c, lanes);
    });
    if (result.lse)
      result.lse[(t.q0 + i) * result.lse_stride] = total[i] == 0.0f ? -INFINITY : maximum[i] + std::log(total[i]);
  }
}
#endif
