// prefix_attention, its gradient and its decode form in plain loops: one query, one head at a time.
#include <cmath>
#include <limits>
#include <vector>

#include "core/ops.gen.h"
#include "ops/prefix_attention.h"

namespace ht {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// The operands that turn a column into a score and a value, for one head.
struct Head {
  const Tensor &q, &k, &v, &pk, &pv, &bias, &prefix_bias;
  int64_t heads, head_dim, head;

  int64_t at(int64_t row, int64_t c) const { return (row * heads + head) * head_dim + c; }
  const Tensor& keys(const AttentionColumn& column) const { return column.prefix ? pk : k; }
  const Tensor& values(const AttentionColumn& column) const { return column.prefix ? pv : v; }

  // T5 does not divide by sqrt(d_k).
  double score(int64_t query_row, const AttentionColumn& column, int64_t slot) const {
    double sum = 0;
    for (int64_t c = 0; c < head_dim; ++c) sum += q.get(at(query_row, c)) * keys(column).get(at(column.row, c));
    if (column.bucket >= 0) sum += bias.get(column.bucket * heads + head);
    if (column.prefix && prefix_bias) sum += prefix_bias.get(slot * heads + head);
    return sum;
  }
};

template <class O>
Head head_of(const Call& call, int64_t head, O) {
  const int64_t heads = call.attr[O::a_heads].i;
  return {call.in[O::q],    call.in[O::k],           call.in[O::v], call.in[O::pk],
          call.in[O::pv],   call.in[O::bias],        call.in[O::prefix_bias],
          heads,            call.in[O::q].dim[1] / heads, head};
}

// Writes softmax(scores) V into row `query_row` of o; returns log sum exp, -inf where no column is seen.
double attend(const Head& head, int64_t query_row, int64_t slot, const std::vector<AttentionColumn>& columns, Tensor& o) {
  double max = kNothing;
  std::vector<double> weight;
  for (const auto& column : columns) {
    weight.push_back(head.score(query_row, column, slot));
    if (!(weight.back() <= max)) max = weight.back();  // a NaN is kept
  }
  const bool sees_nothing = max == kNothing;
  double sum = 0;
  for (double& w : weight) sum += w = std::exp(w - max);
  for (int64_t c = 0; c < head.head_dim; ++c) {
    double mean = 0;
    for (size_t j = 0; j < columns.size(); ++j)
      mean += weight[j] * head.values(columns[j]).get(head.at(columns[j].row, c));
    o.set(head.at(query_row, c), sees_nothing ? 0 : mean / sum);
  }
  return sees_nothing ? kNothing : max + std::log(sum);
}

template <class O>
AttentionBias bias_of(const Call& call, O) {
  return AttentionBias(call.in[O::bias], call.attr[O::a_max_distance].i, call.attr[O::a_bidirectional].i != 0,
                       call.attr[O::a_policy].i == 1);
}

std::vector<AttentionColumn> columns_of(const AttentionRow& row, int64_t position, bool causal, const PrefixBank& bank,
                                        const AttentionBias& bias) {
  std::vector<AttentionColumn> columns;
  for_each_prefix_column(bank, bias, row.slot, row.prefix_len, position,
                         [&](const AttentionColumn& column) { columns.push_back(column); });
  for (int64_t j = 0; j < row.k1 - row.k0; ++j)
    if (!causal || j <= position) columns.push_back({false, row.k0 + j, bias.key(position, j)});
  return columns;
}

// Sums in double whatever the output's type, stored once at the end.
struct Sum {
  Tensor& out;
  std::vector<double> value;
  explicit Sum(Tensor& t) : out(t), value(static_cast<size_t>(t.size()), 0.0) {}
  ~Sum() {
    for (size_t i = 0; i < value.size(); ++i) out.set(static_cast<int64_t>(i), value[i]);
  }
  void add(int64_t i, double x) {
    if (out) value[static_cast<size_t>(i)] += x;
  }
};

}  // namespace

void prefix_attention_ref(const Call& call) {
  using O = op::prefix_attention;
  const PrefixBank bank = PrefixBank::of(call, O{});
  const AttentionRows rows = AttentionRows::of(call, bank, O{});
  const AttentionBias bias = bias_of(call, O{});
  const int64_t heads = call.attr[O::a_heads].i;
  Tensor& lse = call.out[O::o_lse];
  for (int64_t r = 0; r < rows.count(); ++r) {
    const AttentionRow row = rows[r];
    for (int64_t i = 0; i < row.q1 - row.q0; ++i) {
      const auto columns = columns_of(row, i, call.attr[O::a_causal].i != 0, bank, bias);
      for (int64_t h = 0; h < heads; ++h) {
        const double sum = attend(head_of(call, h, O{}), row.q0 + i, row.slot, columns, call.out[O::o_o]);
        if (lse) lse.set((row.q0 + i) * heads + h, sum);
      }
    }
  }
}

// With p = exp(score - lse): dv = p do, ds = p (do . v - do . o), dq = ds k, dk = ds q, and ds reaches every bias.
void prefix_attention_grad_ref(const Call& call) {
  using O = op::prefix_attention_grad;
  const PrefixBank bank = PrefixBank::of(call, O{});
  const AttentionRows rows = AttentionRows::of(call, bank, O{});
  const AttentionBias bias = bias_of(call, O{});
  const int64_t heads = call.attr[O::a_heads].i;
  const Tensor &o = call.in[O::o], &grad = call.in[O::do_], &lse = call.in[O::lse];
  Sum dq(call.out[O::o_dq]), dk(call.out[O::o_dk]), dv(call.out[O::o_dv]), dbias(call.out[O::o_dbias]),
      dpk(call.out[O::o_dpk]), dpv(call.out[O::o_dpv]), dprefix_bias(call.out[O::o_dprefix_bias]);
  for (int64_t r = 0; r < rows.count(); ++r) {
    const AttentionRow row = rows[r];
    for (int64_t i = 0; i < row.q1 - row.q0; ++i) {
      const int64_t query = row.q0 + i;
      const auto columns = columns_of(row, i, call.attr[O::a_causal].i != 0, bank, bias);
      for (int64_t h = 0; h < heads; ++h) {
        const Head head = head_of(call, h, O{});
        if (lse.get(query * heads + h) == kNothing) continue;
        double delta = 0;
        for (int64_t c = 0; c < head.head_dim; ++c) delta += grad.get(head.at(query, c)) * o.get(head.at(query, c));
        for (const auto& column : columns) {
          const double p = std::exp(head.score(query, column, row.slot) - lse.get(query * heads + h));
          double dp = 0;
          for (int64_t c = 0; c < head.head_dim; ++c)
            dp += grad.get(head.at(query, c)) * head.values(column).get(head.at(column.row, c));
          const double ds = p * (dp - delta);
          Sum& d_keys = column.prefix ? dpk : dk;
          Sum& d_values = column.prefix ? dpv : dv;
          for (int64_t c = 0; c < head.head_dim; ++c) {
            dq.add(head.at(query, c), ds * head.keys(column).get(head.at(column.row, c)));
            d_keys.add(head.at(column.row, c), ds * head.q.get(head.at(query, c)));
            d_values.add(head.at(column.row, c), p * grad.get(head.at(query, c)));
          }
          if (column.bucket >= 0) dbias.add(column.bucket * heads + h, ds);
          if (column.prefix && head.prefix_bias) dprefix_bias.add(row.slot * heads + h, ds);
        }
      }
    }
  }
}

void prefix_attention_decode_ref(const Call& call) {
  using O = op::prefix_attention_decode;
  const PrefixBank bank = PrefixBank::of(call, O{});
  const AttentionBias bias(call.in[O::bias], call.attr[O::a_max_distance].i, false, call.attr[O::a_policy].i == 1);
  for (int64_t r = 0; r < call.in[O::q].dim[0]; ++r) {
    const int64_t slot = bank.slot(r);
    std::vector<AttentionColumn> columns;
    for_each_decode_column(call, bank, bias, r, slot, [&](const AttentionColumn& column) { columns.push_back(column); });
    for (int64_t h = 0; h < call.attr[O::a_heads].i; ++h) attend(head_of(call, h, O{}), r, slot, columns, call.out[O::o_o]);
  }
}

}  // namespace ht
