// Gradients of prefix_attention on the CPU, from o and lse: probabilities are computed again, one step of 48 keys at a time.
//
// First pass, a tile per (key row, head): it owns dk and dv of its keys and dq of all queries that look at them, and walks
// the rows in order and their queries in blocks of 64, keys inside; q, do are read once, k and v once per block. ds of a
// query block is summed per diagonal as it comes, then per bucket, into the tile's own table; tables and prefix biases are
// added up at the end in row order. Second pass, a tile per (prefix page, head): it walks the rows that use the page and
// computes their scores against it once more, a few percent of the work, so that no two threads share a sum. Memory: O(S).
#ifndef HT_ISA_PASS
#include <cmath>

#include "core/ops.gen.h"
#include "cpu/threads.h"
#include "cpu/vec.h"
#include "ops/prefix_attention_tile.h"

namespace ht {

// Where the gradients of one tile go; null: not wanted. All are rows like q, k, v or pk, pv, in fp32.
struct AttentionGrads {
  RowView o, d_o;
  const float* lse;  // of the head
  int64_t lse_stride;
  float *dq, *dk, *dv, *dpk, *dpv;
  float* diagonals;    // ds summed per place of DiagonalBias
  float* prefix_bias;  // ds summed over all prefix rows
};

}  // namespace ht
#define HT_KERNELS "ops/prefix_attention_grad_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {
namespace {

using O = op::prefix_attention_grad;

void zero_head(Tensor& t, int64_t first, int64_t end, int64_t column, int64_t channels) {
  for (int64_t r = first; r < end; ++r) std::fill_n(t.f32() + r * t.dim[1] + column, channels, 0.0f);
}

float* data_or_null(Tensor& t) { return t ? t.f32() : nullptr; }

AttentionGrads grads_of(const Call& call, int64_t head, int64_t heads) {
  AttentionGrads g{};
  g.o = RowView::of(call.in[O::o]);
  g.d_o = RowView::of(call.in[O::do_]);
  g.lse = call.in[O::lse].f32() + head;
  g.lse_stride = heads;
  return g;
}

template <class F>
void for_each_query_block(const AttentionPlan& plan, int64_t r, int64_t head, const F& f) {
  const int64_t queries = plan.rows[r].q1 - plan.rows[r].q0;
  for (int64_t first = 0; first < queries; first += kQueryBlock) f(plan.tile(r, head, first, std::min(kQueryBlock, queries - first)));
}

// Rows of each key row, in order; rows without keys go to the first group.
std::vector<std::vector<int64_t>> group_by_key_row(const AttentionPlan& plan, int64_t key_rows) {
  std::vector<std::vector<int64_t>> groups(static_cast<size_t>(std::max<int64_t>(key_rows, 1)));
  for (size_t r = 0; r < plan.rows.size(); ++r) groups[std::max<int64_t>(plan.rows[r].key_row, 0)].push_back(static_cast<int64_t>(r));
  return groups;
}

// Gradients of pages: dpk and dpv of one page and head are one tile's own.
void prefix_pass(const Call& call, const AttentionPlan& plan) {
  Tensor &dpk = call.out[O::o_dpk], &dpv = call.out[O::o_dpv];
  if (!dpk && !dpv) return;
  const int64_t page_len = plan.bank.page_len(), pages = (dpk ? dpk : dpv).dim[0] / page_len;
  struct Use {
    int64_t row;
    std::vector<PrefixRow> prefix;  // the rows that lie in the page
  };
  std::vector<std::vector<Use>> uses(static_cast<size_t>(pages));
  for (size_t r = 0; r < plan.rows.size(); ++r) {
    const auto& prefix = plan.prefixes[r];
    for (size_t p = 0; p < prefix.size(); ++p) {
      std::vector<Use>& page = uses[prefix[p].row / page_len];
      const bool continues = p > 0 && prefix[p].row == prefix[p - 1].row + 1 && prefix[p].row % page_len != 0;
      if (!continues) page.push_back({static_cast<int64_t>(r), {}});
      page.back().prefix.push_back(prefix[p]);
    }
  }
  const auto kernel = HT_DISPATCH(attend_backward);
  cpu::parallel(pages * plan.heads, [&](int64_t index, int) {
    const int64_t page = index / plan.heads, head = index % plan.heads, column = head * plan.head_dim;
    AttentionGrads grads = grads_of(call, head, plan.heads);
    grads.dpk = data_or_null(dpk);
    grads.dpv = data_or_null(dpv);
    for (Tensor* t : {&dpk, &dpv})
      if (*t) zero_head(*t, page * page_len, (page + 1) * page_len, column, plan.head_dim);
    for (const Use& use : uses[page]) {
      for_each_query_block(plan, use.row, head, [&](AttentionTile tile) {
        tile.keys = 0;
        tile.prefix = use.prefix.data();
        tile.prefix_count = static_cast<int64_t>(use.prefix.size());
        kernel(tile, grads);
      });
    }
  });
}

}  // namespace

void prefix_attention_grad_cpu(const Call& call) {
  const AttentionPlan plan(call, O{});
  const int64_t heads = plan.heads, buckets = call.in[O::bias] ? call.in[O::bias].dim[0] : 0;
  const RowOffsets keys(call.in[O::k_offsets], call.in[O::k].dim[0]);
  const auto groups = group_by_key_row(plan, keys.rows());
  const bool wants_bias = call.out[O::o_dbias] && buckets > 0;
  std::vector<double> bucket_sums(wants_bias ? groups.size() * static_cast<size_t>(heads * buckets) : 0);
  std::vector<float> prefix_sums(plan.rows.size() * static_cast<size_t>(heads));
  const auto kernel = HT_DISPATCH(attend_backward);

  cpu::parallel(static_cast<int64_t>(groups.size()) * heads, [&](int64_t index, int) {
    const int64_t group = index / heads, head = index % heads, column = head * plan.head_dim;
    AttentionGrads grads = grads_of(call, head, heads);
    grads.dq = call.out[O::o_dq].f32();
    grads.dk = call.out[O::o_dk].f32();
    grads.dv = call.out[O::o_dv].f32();
    if (group < keys.rows())
      for (int out : {O::o_dk, O::o_dv}) zero_head(call.out[out], keys.begin(group), keys.end(group), column, plan.head_dim);
    std::vector<float> diagonals(wants_bias ? static_cast<size_t>(plan.diagonals.length()) : 0);
    grads.diagonals = wants_bias ? diagonals.data() : nullptr;
    for (int64_t r : groups[group]) {
      grads.prefix_bias = &prefix_sums[r * heads + head];
      for_each_query_block(plan, r, head, [&](const AttentionTile& tile) { kernel(tile, grads); });
    }
    for (size_t place = 0; place < diagonals.size(); ++place)
      bucket_sums[index * buckets + plan.buckets.key(0, plan.diagonals.relative(static_cast<int64_t>(place)))] += diagonals[place];
  });

  if (Tensor& dbias = call.out[O::o_dbias]) {
    for (int64_t e = 0; e < dbias.size(); ++e) {
      double sum = 0;
      for (size_t group = 0; wants_bias && group < groups.size(); ++group)
        sum += bucket_sums[(static_cast<int64_t>(group) * heads + e % heads) * buckets + e / heads];
      dbias.f32()[e] = static_cast<float>(sum);
    }
  }
  if (Tensor& d_prefix_bias = call.out[O::o_dprefix_bias]) {
    std::fill_n(d_prefix_bias.f32(), d_prefix_bias.size(), 0.0f);
    for (size_t r = 0; r < plan.rows.size(); ++r)
      for (int64_t h = 0; h < heads && call.in[O::prefix_bias] && plan.rows[r].slot >= 0; ++h)
        d_prefix_bias.f32()[plan.rows[r].slot * heads + h] += prefix_sums[r * heads + h];
  }
  prefix_pass(call, plan);
}

}  // namespace ht
#else
#include "ops/small_product.inc"
#include "ops/attention_block.inc"

// delta = do . o per query; lse, where +inf stands for a query that sees nothing or is padding: its probabilities are 0.
HT_INLINE void load_statistics(const AttentionTile& t, const AttentionGrads& g, const float* d_o, float* row, float* lse, float* delta) {
  const int64_t nq = t.padded_queries(), dim = t.padded_dim();
  for (int64_t i = 0; i < nq; ++i) {
    lse[i] = i < t.queries ? g.lse[(t.q0 + i) * g.lse_stride] : -INFINITY;
    if (lse[i] == -INFINITY) lse[i] = INFINITY;
    delta[i] = 0;
    if (i >= t.queries) continue;
    load_row(g.o, t.q0 + i, t.column, t.head_dim, dim, row);
    Vec total = Vec::zero();
    for (int64_t c = 0; c < dim; c += Vec::lanes) total = fma(Vec::load(d_o + i * dim + c), Vec::load(row + c), total);
    delta[i] = sum(total);
  }
}

// p = exp(score - lse) in place of the scores, ds = p (dp - delta) in place of dp; both [key][query].
HT_INLINE void probabilities(int64_t count, int64_t nq, const float* lse, const float* delta, float* scores, float* dp) {
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t i = 0; i < nq; i += Vec::lanes) {
      const Vec p = exp(Vec::load(scores + j * nq + i) - Vec::load(lse + i));
      p.store(scores + j * nq + i);
      (p * (Vec::load(dp + j * nq + i) - Vec::load(delta + i))).store(dp + j * nq + i);
    }
  }
}

// ds of a step into its diagonals and into the sum over prefix rows.
HT_INLINE void add_bias_grads(const AttentionTile& t, const AttentionGrads& g, bool prefix, int64_t first, int64_t count, const float* ds) {
  const int64_t nq = t.padded_queries();
  Vec total = Vec::zero();
  for (int64_t j = 0; j < count; ++j) {
    const int64_t place = g.diagonals ? place_of(t, prefix, first + j) : -1;
    for (int64_t i = 0; i < nq; i += Vec::lanes) {
      const Vec v = Vec::load(ds + j * nq + i);
      total = total + v;
      if (place >= 0) (Vec::load(g.diagonals + place + i) + v).store(g.diagonals + place + i);
    }
  }
  if (prefix && g.prefix_bias) *g.prefix_bias += sum(total);
}

// One block of queries against all columns of a tile.
void attend_backward(const AttentionTile& t, const AttentionGrads& g) {
  const int64_t nq = t.padded_queries(), dim = t.padded_dim(), query_block = nq * dim, key_block = kKeyBlock * dim;
  float* const queries = static_cast<float*>(
      thread_scratch(static_cast<size_t>(5 * query_block + 2 * key_block + 2 * kKeyBlock * nq + 2 * nq + dim) * sizeof(float)));
  float* const queries_t = queries + query_block;
  float* const d_o = queries_t + query_block;
  float* const d_o_t = d_o + query_block;
  float* const dq = d_o_t + query_block;
  float* const keys = dq + query_block;
  float* const values = keys + key_block;
  float* const scores = values + key_block;
  float* const ds = scores + kKeyBlock * nq;
  float* const lse = ds + kKeyBlock * nq;
  float* const delta = lse + nq;
  float* const row = delta + nq;

  load_queries(t.q, t.q0, t.queries, nq, t.column, t.head_dim, dim, queries, queries_t);
  load_queries(g.d_o, t.q0, t.queries, nq, t.column, t.head_dim, dim, d_o, d_o_t);
  load_statistics(t, g, d_o, row, lse, delta);
  std::fill_n(dq, query_block, 0.0f);
  for_each_step(t, [&](bool prefix, int64_t first, int64_t count) {
    load_keys(t, prefix, first, count, keys, values);
    score_step(t, prefix, first, count, keys, queries_t, scores);
    small_product<false>(count, nq, t.head_dim, values, dim, 1, d_o_t, nq, ds, nq);
    probabilities(count, nq, lse, delta, scores, ds);
    add_bias_grads(t, g, prefix, first, count, ds);

    const RowView& view = prefix ? t.pk : t.k;
    const int64_t at = (prefix ? t.prefix[first].row : t.k0 + first) * view.width + t.column;
    float* const dk = prefix ? g.dpk : g.dk;
    float* const dv = prefix ? g.dpv : g.dv;
    if (dv) small_product<true>(count, t.head_dim, t.queries, scores, nq, 1, d_o, dim, dv + at, view.width);
    if (dk) small_product<true>(count, t.head_dim, t.queries, ds, nq, 1, queries, dim, dk + at, view.width);
    if (g.dq) small_product<true>(t.queries, dim, count, ds, 1, nq, keys, dim, dq, dim);
  });
  for (int64_t i = 0; g.dq && i < t.queries; ++i)
    std::copy_n(dq + i * dim, t.head_dim, g.dq + (t.q0 + i) * t.q.width + t.column);
}
#endif
