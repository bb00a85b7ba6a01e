// lora_linear and its gradient towards x on the device.
//
// Up to kFewTokens tokens weights are read at the bandwidth of memory (lora_linear_few_cuda.cu), above they are multiplied in tiles
// (lora_linear_tiles_cuda.cu); both add the low-rank terms from coefficients that a launch before computed (lora_linear_low_rank_cuda.cu).
// Nothing is launched here but those: layout, bytes moved and tiling stand at their heads.
#include "core/ops_cuda.gen.h"
#include "cuda/fuse.h"
#include "ops/lora_linear_few_cuda.cuh"
#include "ops/lora_linear_tiles_cuda.cuh"

namespace ht::cuda {
namespace {

template <class Op>
bool any_of(const Call& c, int operand, Op) {
  for (int i = 0; i < c.attr[Op::a_n].i; ++i)
    if (Op::in(c, operand, i)) return true;
  return false;
}

int64_t row_count(const Tensor& offsets, int64_t tokens) { return offsets ? offsets.dim[0] - 1 : tokens; }

// Slots of the low-rank terms and of the scales.
struct Maps {
  TokenMap slots, scales;
};

template <class Op>
Maps maps_of(Launcher& l, const Call& c, int64_t tokens, Op op) {
  Maps maps;
  const Tensor &offsets = c.in[Op::offsets], &s_in = c.in[Op::s_in];
  for (int i = 0; i < c.attr[Op::a_n].i; ++i) {
    if (!Op::in(c, Op::a, i)) continue;
    maps.slots = token_map(l, offsets, c.in[Op::slots], Op::in(c, Op::table, i).dim[0], tokens, any_of(c, Op::mid, op));
    break;
  }
  for (int i = 0; i < c.attr[Op::a_n].i; ++i) {
    const Tensor& scale = s_in ? s_in : Op::in(c, Op::s_out, i);
    if (!scale) continue;
    maps.scales = token_map(l, offsets, c.in[Op::scale_slots], scale.dim[0], tokens, false);
    break;
  }
  return maps;
}

// The low-rank term of repetition i; inner is A forward and B backward.
template <class Op>
LowRankTerm low_rank_term(const Call& c, int i, const Activation& x, int64_t in, bool forward, Op) {
  LowRankTerm low;
  const Tensor &a = Op::in(c, Op::a, i), &b = Op::in(c, Op::b, i), &table = Op::in(c, Op::table, i);
  if (!a) return low;
  const Tensor &inner = forward ? a : b, &outer = forward ? b : a;
  low.present = true;
  low.x = x.data;
  low.in = in;
  low.x_dtype = x.dtype;
  low.inner = inner.data;
  low.outer = outer.data;
  low.inner_dtype = inner.dtype;
  low.outer_dtype = outer.dtype;
  low.pages.table = data<const int32_t>(table);
  low.pages.entries = static_cast<int32_t>(table.dim[1]);
  low.pages.page_rank = c.attr[Op::a_page_rank].i;
  low.pages.pages = a.dim[0] / low.pages.page_rank;
  low.scale = data<const float>(Op::in(c, Op::scale, i));
  low.mid = data<const float>(Op::in(c, Op::mid, i));
  return low;
}

// The weights of one type, for few tokens. x.data is null where x is computed.
void few(const Call& c, Launcher& l, const Activation& x, const Maps& maps, DType w_dtype, const TokenSource& from = StoredTokens{}) {
  using Op = op::lora_linear;
  FewProducts p;
  p.x = x.data;
  p.x_dtype = x.dtype;
  p.w_dtype = w_dtype;
  p.y_dtype = c.out[Op::o_y].dtype;
  p.tokens = c.in[Op::x].dim[0];
  p.k = c.in[Op::x].dim[1];
  p.slots = maps.slots;
  p.scale_slots = maps.scales;
  FewWeight weights[kMaxWeights];
  LowRankTerm lows[kMaxWeights];
  int count = 0;
  for (int i = 0; i < c.attr[Op::a_n].i; ++i) {
    const Tensor& w = Op::in(c, Op::w, i);
    if (w.dtype != w_dtype) continue;
    LowRankTerm& low = lows[count];
    FewWeight& weight = weights[count++];
    weight.w = w.data;
    weight.y = Op::out(c, Op::o_y, i).data;
    weight.scale = data<const float>(Op::in(c, Op::s_out, i));
    weight.rows = w.dim[0];
    low = low_rank_term(c, i, x, p.k, true, Op{});
    if (!low.present) continue;
    low.coefficients = coefficient_memory(l, low, p.tokens, Coefficients::Float);
    weight.coefficients = static_cast<const float*>(low.coefficients);
    weight.outer = low.outer;
    weight.outer_bf16 = low.outer_dtype == DType::BF16;
    weight.pages = low.pages;
  }
  low_rank_coefficients(l, lows, count, maps.slots, p.tokens, row_count(c.in[Op::offsets], p.tokens), Coefficients::Float, from);
  few_products(l, p, weights, count, from);
}

// The same for many.
void many(const Call& c, Launcher& l, const Activation& x, const Maps& maps, DType w_dtype) {
  using Op = op::lora_linear;
  const Coefficients form = coefficients_for(w_dtype);
  Products p;
  p.tokens = c.in[Op::x].dim[0];
  p.x_dtype = x.dtype;
  p.w_dtype = w_dtype;
  p.y_dtype = c.out[Op::o_y].dtype;
  p.slots = maps.slots;
  p.scale_slots = maps.scales;
  LowRankTerm lows[kMaxWeights];
  for (int i = 0; i < c.attr[Op::a_n].i; ++i) {
    const Tensor &w = Op::in(c, Op::w, i), &y = Op::out(c, Op::o_y, i);
    if (w.dtype != w_dtype) continue;
    const int at = p.outputs++;
    LowRankTerm& low = lows[at];
    low = low_rank_term(c, i, x, w.dim[1], true, Op{});
    if (low.present) low.coefficients = coefficient_memory(l, low, p.tokens, form);
    p.output[at] = {y.data, y.dim[1], data<const float>(Op::in(c, Op::s_out, i)), at, 1, 0};
    p.term[at] = {x.data, w.data, w.dim[1], low};
  }
  low_rank_coefficients(l, lows, p.outputs, maps.slots, p.tokens, row_count(c.in[Op::offsets], p.tokens), form);
  products(l, p);
}

}  // namespace

void lora_linear_cuda(const Call& c, Launcher& l) {
  using Op = op::lora_linear;
  const Tensor &x = c.in[Op::x], &s_in = c.in[Op::s_in];
  const int n = c.attr[Op::a_n].i;
  const Maps maps = maps_of(l, c, x.dim[0], Op{});

  bool floats = false;  // some weight is f32
  for (int i = 0; i < n; ++i) floats = floats || Op::in(c, Op::w, i).dtype == DType::F32;
  const Activation narrow = activation(l, x, s_in, maps.scales, DType::BF16);
  const Activation full = floats && narrow.dtype == DType::BF16 ? activation(l, x, s_in, maps.scales, DType::F32) : narrow;

  for (DType w_dtype : {DType::F32, DType::BF16}) {
    const Activation& used = w_dtype == DType::F32 ? full : narrow;
    if (x.dim[0] <= kFewTokens) few(c, l, used, maps, w_dtype);
    else many(c, l, used, maps, w_dtype);
  }
}

// Few tokens, each a row of its own, and x used as it is.
bool takes_computed(const Call& c, const Tensor& x) {
  using Op = op::lora_linear;
  if (x.dim[0] > kFewTokens || c.in[Op::offsets] || c.in[Op::s_in]) return false;
  int64_t rows = 0;
  for (int i = 0; i < c.attr[Op::a_n].i; ++i) {
    const Tensor &w = Op::in(c, Op::w, i), &first = Op::in(c, Op::w, 0);
    if (w.dtype != first.dtype || (w.dtype == DType::F32 && x.dtype != DType::F32)) return false;
    rows += w.dim[0];
  }
  return rows > 0;
}

void computed_linear(const Call& c, Launcher& l, const TokenSource& from) {
  using Op = op::lora_linear;
  const Tensor& x = c.in[Op::x];
  few(c, l, {nullptr, x.dtype}, maps_of(l, c, x.dim[0], Op{}), Op::in(c, Op::w, 0).dtype, from);
}

bool fits_normed_linear(const HtNode* nodes) { return takes_computed(nodes[1].call, nodes[0].call.out[op::rms_norm::o_y]); }

void launch_normed_linear(const HtNode* nodes, Launcher& l) {
  using Norm = op::rms_norm;
  const Call& norm = nodes[0].call;
  const Tensor& x = norm.in[Norm::x];
  computed_linear(nodes[1].call, l, NormedTokens{AnyRows::of(x), AnyRows::of(norm.in[Norm::residual]), AnyRows::of(norm.in[Norm::gain]), data<float>(norm.out[Norm::o_h]),
                                                 norm.attr[Norm::a_eps].f, x.dim[1], norm_warps(x.dim[1])});
}

bool fits_activated_linear(const HtNode* nodes) {
  return takes_computed(nodes[1].call, nodes[0].call.out[0]);  // y of both activations
}

void launch_activated_linear(const HtNode* nodes, Launcher& l) {
  using Gated = op::gated_activation;
  using Plain = op::activation;
  const Call& c = nodes[0].call;
  const bool gated = nodes[0].op == static_cast<int32_t>(ht::Op::gated_activation);
  ActivatedTokens source{AnyRows::of(c.in[gated ? Gated::a : Plain::x]), {nullptr, false}, static_cast<ht::Activation>(c.attr[gated ? Gated::a_kind : Plain::a_kind].i), nodes[1].call.in[op::lora_linear::x].dim[1]};
  if (gated) source.up = AnyRows::of(c.in[Gated::b]);
  computed_linear(nodes[1].call, l, source);
}

void lora_linear_dx_cuda(const Call& c, Launcher& l) {
  using Op = op::lora_linear_dx;
  const Tensor &offsets = c.in[Op::offsets], &s_in = c.in[Op::s_in], &dx = c.out[Op::o_dx];
  const int64_t tokens = dx.dim[0], width = dx.dim[1];
  const int n = c.attr[Op::a_n].i;
  const Maps maps = maps_of(l, c, tokens, Op{});

  // One launch per pair of types; the first writes dx, the others add.
  bool written = false;
  for (DType w_dtype : {DType::F32, DType::BF16})
    for (DType x_dtype : {DType::F32, DType::BF16}) {
      Products p;
      p.tokens = tokens;
      p.outputs = 1;
      p.w_dtype = w_dtype;
      p.x_dtype = x_dtype;
      p.w_rows = false;
      p.accumulate = written;
      p.slots = maps.slots;
      p.scale_slots = maps.scales;
      int terms = 0;
      LowRankTerm lows[kMaxWeights];
      for (int i = 0; i < n; ++i) {
        const Tensor &w = Op::in(c, Op::w, i), &dy = Op::in(c, Op::dy, i), &s_out = Op::in(c, Op::s_out, i);
        const bool as_float = w.dtype == DType::F32;
        if (w.dtype != w_dtype || (s_out || as_float ? DType::F32 : dy.dtype) != x_dtype) continue;
        const Activation used = activation(l, dy, s_out, maps.scales, w.dtype);
        LowRankTerm low = low_rank_term(c, i, used, dy.dim[1], false, Op{});
        if (low.present) low.coefficients = coefficient_memory(l, low, tokens, coefficients_for(w_dtype));
        lows[terms] = low;
        p.term[terms++] = {used.data, w.data, dy.dim[1], low};
      }
      if (!terms) continue;
      p.output[0] = {dx.data, width, data<const float>(s_in), 0, terms, 0};
      low_rank_coefficients(l, lows, terms, maps.slots, tokens, row_count(offsets, tokens), coefficients_for(w_dtype));
      products(l, p);
      written = true;
    }
}

}  // namespace ht::cuda
