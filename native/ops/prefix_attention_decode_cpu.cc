// prefix_attention_decode on the CPU: one query per row against the cache.
//
// A tile is (row, head): scores of all keys it sees go to scratch (one float per key), softmax runs over them, then the
// values are summed. K and V are read once, d_k consecutive channels at a time, from where the cache, the ancestor table
// and the prefix pages have them; nothing is copied.
#ifndef HT_ISA_PASS
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/ops.gen.h"
#include "cpu/threads.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#include "ops/prefix_attention.h"
#define HT_KERNELS "ops/prefix_attention_decode_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {
namespace {

// Rows of one pair of keys and values that a query sees.
struct Segment {
  const Tensor &k, &v;
  std::vector<int64_t> rows;
  std::vector<int32_t> buckets;
  int64_t size() const { return static_cast<int64_t>(rows.size()); }
};

struct Kernels {
  void (*score)(const void* keys, const int64_t* rows, int64_t count, int64_t stride, int64_t channels, const float* query, float* scores);
  void (*sum)(const void* values, const int64_t* rows, int64_t count, int64_t stride, int64_t channels, const float* weights, float* sums);
};

Kernels kernels_for(const Tensor& k, const Tensor& v) {
  return {with_type(k.dtype, [](auto type) { return HT_DISPATCH(score_rows<decltype(type)>); }),
          with_type(v.dtype, [](auto type) { return HT_DISPATCH(add_weighted_rows<decltype(type)>); })};
}

const void* channels_of(const Tensor& t, int64_t column) {
  return static_cast<const char*>(t.data) + column * static_cast<int64_t>(dtype_size(t.dtype));
}

}  // namespace

void prefix_attention_decode_cpu(const Call& call) {
  using O = op::prefix_attention_decode;
  const Tensor &q = call.in[O::q], &bias = call.in[O::bias], &prefix_bias = call.in[O::prefix_bias];
  Tensor& o = call.out[O::o_o];
  const int64_t rows = q.dim[0], width = q.dim[1], heads = call.attr[O::a_heads].i, dim = width / heads;
  const PrefixBank bank = PrefixBank::of(call, O{});
  const AttentionBias buckets(bias, call.attr[O::a_max_distance].i, false, call.attr[O::a_policy].i == 1);

  std::vector<Segment> prefixes, caches;
  std::vector<int64_t> slots;
  for (int64_t r = 0; r < rows; ++r) {
    slots.push_back(bank.slot(r));
    prefixes.push_back({call.in[O::pk], call.in[O::pv], {}, {}});
    caches.push_back({call.in[O::k], call.in[O::v], {}, {}});
    for_each_decode_column(call, bank, buckets, r, slots.back(), [&](const AttentionColumn& column) {
      Segment& segment = column.prefix ? prefixes.back() : caches.back();
      segment.rows.push_back(column.row);
      segment.buckets.push_back(column.bucket);
    });
  }

  const Kernels of_prefix = kernels_for(call.in[O::pk], call.in[O::pv]), of_cache = kernels_for(call.in[O::k], call.in[O::v]);
  const auto softmax = HT_DISPATCH(exponentials);
  cpu::parallel(rows * heads, [&](int64_t tile, int) {
    const int64_t r = tile / heads, head = tile % heads, channel = head * dim;
    const Segment *const prefix = &prefixes[r], *const cache = &caches[r];
    const int64_t count = prefix->size() + cache->size();
    float* const query = static_cast<float*>(cpu::thread_scratch(static_cast<size_t>(2 * dim + count) * sizeof(float)));
    float* const sums = query + dim;
    float* const weights = sums + dim;
    for (int64_t c = 0; c < dim; ++c) query[c] = static_cast<float>(q.get(r * width + channel + c));
    std::fill_n(sums, dim, 0.0f);

    float* at = weights;
    for (const Segment* s : {prefix, cache}) {
      (s == prefix ? of_prefix : of_cache).score(channels_of(s->k, channel), s->rows.data(), s->size(), width, dim, query, at);
      for (int64_t j = 0; j < s->size(); ++j) {
        if (s->buckets[j] >= 0) at[j] += static_cast<float>(bias.get(s->buckets[j] * heads + head));
        if (s == prefix && prefix_bias) at[j] += prefix_bias.f32()[slots[r] * heads + head];
      }
      at += s->size();
    }
    const float total = softmax(weights, count);
    at = weights;
    for (const Segment* s : {prefix, cache}) {
      (s == prefix ? of_prefix : of_cache).sum(channels_of(s->v, channel), s->rows.data(), s->size(), width, dim, at, sums);
      at += s->size();
    }
    for (int64_t c = 0; c < dim; ++c) o.set(r * width + channel + c, total == 0.0f ? 0.0f : sums[c] / total);
  });
}

}  // namespace ht
#else
// scores[j] = query . keys[rows[j]].
template <class T>
void score_rows(const void* data, const int64_t* rows, int64_t count, int64_t stride, int64_t channels, const float* query,
                float* scores) {
  const T* const keys = static_cast<const T*>(data);
  for (int64_t j = 0; j < count; ++j) {
    const T* const key = keys + rows[j] * stride;
    Vec total = Vec::zero();
    for_each_vec(channels, [&](int64_t c, int lanes) { total = fma(Vec::load(query + c, lanes), Vec::load(key + c, lanes), total); });
    scores[j] = sum(total);
  }
}

// Replaces scores by exp(score - maximum) and returns their sum, 0 where none is above -inf.
float exponentials(float* scores, int64_t count) {
  float most = -INFINITY;
  for (int64_t j = 0; j < count; ++j) most = scores[j] <= most ? most : scores[j];  // a NaN is kept
  const Vec shift = Vec::set1(most == -INFINITY ? 0.0f : most);
  float total = 0;
  for_each_vec(count, [&](int64_t j, int lanes) {
    exp(Vec::load(scores + j, lanes) - shift).store(scores + j, lanes);
    for (int l = 0; l < lanes; ++l) total += scores[j + l];
  });
  return total;
}

// sums += sum of weights[j] * values[rows[j]], j in order.
template <class T>
void add_weighted_rows(const void* data, const int64_t* rows, int64_t count, int64_t stride, int64_t channels,
                       const float* weights, float* sums) {
  constexpr int64_t kStrip = 4 * Vec::lanes;
  const T* const values = static_cast<const T*>(data);
  int64_t c = 0;
  for (; c + kStrip <= channels; c += kStrip) {
    Vec total[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) total[v] = Vec::load(sums + c + v * Vec::lanes);
    for (int64_t j = 0; j < count; ++j) {
      const T* const value = values + rows[j] * stride + c;
      const Vec weight = Vec::set1(weights[j]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) total[v] = fma(weight, Vec::load(value + v * Vec::lanes), total[v]);
    }
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) total[v].store(sums + c + v * Vec::lanes);
  }
  for_each_vec(channels - c, [&](int64_t i, int lanes) {
    Vec total = Vec::load(sums + c + i, lanes);
    for (int64_t j = 0; j < count; ++j)
      total = fma(Vec::set1(weights[j]), Vec::load(values + rows[j] * stride + c + i, lanes), total);
    total.store(sums + c + i, lanes);
  });
}
#endif
