// Programs of model ops: forward and backward, with and without adapters.
#include "corpus.h"

namespace ht::fuzz {
namespace {

constexpr DType F32 = DType::F32, BF16 = DType::BF16, I32 = DType::I32, I8 = DType::I8;

Draft embedding() {
  Draft d("embedding");
  const int32_t T = d.symbol(6);
  const int32_t table = d.buffer(BF16, {n(7), n(4)}, true), prompt = d.feed(F32, {n(2), n(4)}), ids = d.feed(I32, {s(T)}), gain = d.buffer(F32, {n(4)}, true);
  const auto tokens = [&](DType t) { return d.out(t, {s(T), n(4)}); };
  const int32_t x = tokens(F32), plain = tokens(BF16), y = tokens(BF16), h = tokens(F32), dh = tokens(F32), dgain = d.out(F32, {n(4)});
  const int32_t dtable = d.out(F32, {n(7), n(4)}), dprompt = d.out(F32, {n(2), n(4)});
  d.node(Op::embedding, {table, prompt, ids}, {x}, {F32});
  d.node(Op::embedding, {x, kAbsent, d.buffer(I32, {s(T)})}, {plain}, {BF16});
  d.node(Op::rms_norm, {x, plain, gain}, {y, h}, {1e-6f, BF16});
  d.node(Op::rms_norm_grad, {h, gain, y, x}, {dh, dgain}, {1e-6f});
  d.node(Op::embedding_grad, {table, ids, dh}, {dtable, dprompt});
  d.fetch({dtable, dprompt, dgain, y});
  return d;
}

// Two weights with paged low-rank terms, a middle vector, Scale states and packed rows: everything lora_linear takes.
Draft adapted_linear(DType dtype) {
  Draft d("adapted linear");
  const int32_t T = d.symbol(6), R = d.symbol(3), S = 3;
  const int32_t x = d.feed(dtype, {s(T), n(5)}), offsets = d.feed(I32, {s(R, 1, 1)}), slots = d.feed(I32, {s(R)}), scale_slots = d.feed(I32, {s(R)});
  const int32_t s_in = d.buffer(F32, {n(2), n(5)});
  Ids in = {x, offsets, slots, scale_slots, s_in}, in_dx = {offsets, slots, scale_slots, s_in}, out;
  Ids dab;
  for (int i = 0; i < 2; ++i) {
    const int32_t width = 4 + 2 * i, pages = 3 + i, entries = 2 - i;
    const int32_t w = d.buffer(dtype, {n(width), n(5)}, i == 0), a = d.buffer(dtype, {n(2 * pages), n(5)}), b = d.buffer(F32, {n(2 * pages), n(width)});
    const int32_t table = d.buffer(I32, {n(S), n(entries)}), scale = d.buffer(F32, {n(S)}), mid = d.feed(F32, {s(R), n(2 * entries)}), s_out = d.buffer(F32, {n(2), n(width)});
    in.insert(in.end(), {w, kAbsent, a, b, table, scale, mid, i ? kAbsent : s_out});
    out.push_back(d.out(dtype, {s(T), n(width)}));
    in_dx.insert(in_dx.end(), {out.back(), w, a, b, table, scale, mid, i ? s_out : kAbsent});
    if (i == 0) dab = {x, offsets, slots, out.back(), a, b, table, scale, mid};
  }
  const int32_t dx = d.out(F32, {s(T), n(5)}), da = d.out(F32, {n(6), n(5)}), db = d.out(F32, {n(6), n(4)}), dw = d.out(F32, {n(4), n(5)});
  d.node(Op::lora_linear, in, out, {2, 2, dtype});
  d.node(Op::lora_linear_dx, in_dx, {dx}, {2, 2});
  d.node(Op::lora_linear_dab, dab, {da, db}, {2});
  d.node(Op::linear_dw, {x, out[0]}, {dw});
  d.fetch({out[0], out[1], dx, da, db, dw});
  return d;
}

Draft adapted_linear_f32() { return adapted_linear(F32); }
Draft adapted_linear_bf16() { return adapted_linear(BF16); }

// One weight, no rows: and one with a slot per token.
Draft plain_linear() {
  Draft d("plain linear");
  const int32_t T = d.symbol(5);
  const int32_t x = d.feed(F32, {s(T), n(4)}), w = d.buffer(BF16, {n(3), n(4)}, true), slots = d.feed(I32, {s(T)});
  const int32_t a = d.buffer(F32, {n(2), n(4)}), b = d.buffer(F32, {n(2), n(3)}), table = d.feed(I32, {n(2), n(2)}), scale = d.feed(F32, {n(2)});
  const int32_t y = d.out(F32, {s(T), n(3)}), z = d.out(BF16, {s(T), n(3)}), dx = d.out(F32, {s(T), n(4)});
  d.node(Op::lora_linear, {x, -1, -1, -1, -1, w, -1, -1, -1, -1, -1, -1, -1}, {y}, {1, 1, F32});
  d.node(Op::lora_linear, {x, -1, slots, -1, -1, w, -1, a, b, table, scale, -1, -1}, {z}, {1, 1, BF16});
  d.node(Op::lora_linear_dx, {-1, -1, -1, -1, y, w, -1, -1, -1, -1, -1, -1}, {dx}, {1, 1});
  d.fetch({z, dx});
  return d;
}

// int8 weights, one beside a float one and under an adapter, and an int8 head.
Draft int8_linears() {
  Draft d("int8 linears");
  const int32_t T = d.symbol(5);
  const int32_t x = d.feed(F32, {s(T), n(6)}), w = d.buffer(I8, {n(3), n(6)}, true), w_scale = d.buffer(F32, {n(3)}, true), plain = d.buffer(BF16, {n(2), n(6)}, true);
  const int32_t slots = d.feed(I32, {s(T)}), a = d.buffer(F32, {n(2), n(6)}), b = d.buffer(F32, {n(2), n(3)}), table = d.feed(I32, {n(2), n(2)}), scale = d.feed(F32, {n(2)});
  const int32_t y = d.out(BF16, {s(T), n(3)}), z = d.out(BF16, {s(T), n(2)});
  d.node(Op::lora_linear, {x, -1, slots, -1, -1, w, w_scale, a, b, table, scale, -1, -1, plain, -1, -1, -1, -1, -1, -1, -1}, {y, z}, {2, 1, BF16});
  const int32_t labels = d.feed(I32, {s(T)}), logp = d.out(F32, {s(T)}), lse = d.out(F32, {s(T)});
  d.node(Op::cross_entropy, {x, w, labels, w_scale}, {logp, lse}, {0.5f});
  d.fetch({y, z, logp});
  return d;
}

// Self-attention over packed rows with bias table and prefix bank, and its gradients.
Draft attention() {
  Draft d("attention");
  const int32_t T = d.symbol(8), R = d.symbol(3), S = d.symbol(2);
  const auto tokens = [&](DType t) { return d.out(t, {s(T), n(6)}); };
  const int32_t q = d.feed(F32, {s(T), n(6)}), k = d.feed(BF16, {s(T), n(6)}), v = d.feed(F32, {s(T), n(6)}), offsets = d.feed(I32, {s(R, 1, 1)});
  const int32_t bias = d.buffer(F32, {n(4), n(2)}), slot = d.feed(I32, {s(R)}), table = d.feed(I32, {s(S), n(2)}), length = d.feed(I32, {s(S)});
  const int32_t pk = d.buffer(F32, {n(9), n(6)}), pv = d.buffer(BF16, {n(9), n(6)}), extra = d.feed(F32, {s(S), n(2)});
  const int32_t o = tokens(F32), lse = d.out(F32, {s(T), n(2)});
  const Ids in = {q, k, v, offsets, offsets, kAbsent, bias, slot, pk, pv, table, length, extra};
  Ids back = in;
  back.insert(back.end(), {o, lse, q});
  const int32_t dq = tokens(F32), dk = tokens(F32), dv = tokens(F32), dbias = d.out(F32, {n(4), n(2)});
  const int32_t dpk = d.out(F32, {n(9), n(6)}), dpv = d.out(F32, {n(9), n(6)}), dextra = d.out(F32, {s(S), n(2)});
  d.node(Op::prefix_attention, in, {o, lse}, {2, 1, 0, 8, 3, 1, F32});
  d.node(Op::prefix_attention_grad, back, {dq, dk, dv, dbias, dpk, dpv, dextra}, {2, 1, 0, 8, 3, 1});
  d.fetch({o, dq, dk, dv, dbias, dpk, dpv, dextra});
  return d;
}

// Cross-attention: rows of queries that share key rows; and one query per row, without offsets.
Draft cross_attention() {
  Draft d("cross attention");
  const int32_t T = d.symbol(7), R = d.symbol(4), K = d.symbol(3);
  const int32_t q = d.feed(BF16, {s(T), n(4)}), k = d.feed(BF16, {s(K, 2), n(4)}), v = d.feed(BF16, {s(K, 2), n(4)}), q_offsets = d.feed(I32, {s(R, 1, 1)});
  const int32_t k_offsets = d.feed(I32, {s(K, 1, 1)}), kv_row = d.feed(I32, {s(R)}), bias = d.feed(F32, {n(6), n(4)}), single = d.feed(F32, {s(K), n(4)});
  const int32_t o = d.out(BF16, {s(T), n(4)}), lse = d.out(F32, {s(T), n(4)}), one = d.out(F32, {s(K), n(4)});
  const int32_t dq = d.out(F32, {s(T), n(4)}), dk = d.out(F32, {s(K, 2), n(4)}), dv = d.out(F32, {s(K, 2), n(4)});
  const Ids in = {q, k, v, q_offsets, k_offsets, kv_row, bias, -1, -1, -1, -1, -1, -1};
  Ids back = in;
  back.insert(back.end(), {o, lse, q});
  d.node(Op::prefix_attention, in, {o, lse}, {4, 0, 1, 128, 1, 0, BF16});
  d.node(Op::prefix_attention, {single, k, v, -1, k_offsets, -1, -1, -1, -1, -1, -1, -1, -1}, {one, -1}, {1, 0, 0, 1, 1, 0, F32});
  d.node(Op::prefix_attention_grad, back, {dq, dk, dv, -1, -1, -1, -1}, {4, 0, 1, 128, 1, 0});
  d.fetch({dq, dk, dv, one});
  return d;
}

Draft heads() {
  Draft d("heads");
  const int32_t N = d.symbol(4);
  const int32_t u = d.feed(F32, {s(N), n(3)}), w1 = d.buffer(BF16, {n(5), n(3)}), b1 = d.buffer(F32, {n(5)});
  const int32_t t = d.out(F32, {s(N), n(5)});
  Ids in = {u, w1, b1}, out = {t}, back = {u, w1, t}, grads = {d.out(F32, {s(N), n(3)}), d.out(F32, {n(5), n(3)}), d.out(F32, {n(5)})};
  for (int width : {2, 4, 1}) {
    const int32_t w2 = d.buffer(F32, {n(width), n(5)}, width == 4), b2 = d.buffer(BF16, {n(width)}), y = d.out(F32, {s(N), n(width)});
    in.insert(in.end(), {w2, b2});
    out.push_back(y);
    back.insert(back.end(), {w2, y});
    grads.insert(grads.end(), {d.out(F32, {n(width), n(5)}), d.out(F32, {n(width)})});
  }
  d.node(Op::hyper_heads, in, out, {3, 0.1f});
  d.node(Op::hyper_heads_grad, back, grads, {3, 0.1f});
  d.fetch(grads);
  return d;
}

Draft loss() {
  Draft d("loss");
  const int32_t T = d.symbol(5);
  const int32_t x = d.feed(BF16, {s(T), n(3)}), w = d.buffer(F32, {n(11), n(3)}, true), labels = d.feed(I32, {s(T)}), g = d.feed(F32, {s(T)});
  const int32_t logp = d.out(F32, {s(T)}), lse = d.out(F32, {s(T)}), dx = d.out(F32, {s(T), n(3)}), dw = d.out(F32, {n(11), n(3)}), dx2 = d.out(F32, {s(T), n(3)});
  d.node(Op::cross_entropy, {x, w, labels, -1}, {logp, lse}, {0.5f});
  d.node(Op::cross_entropy_grad, {x, w, labels, lse, g}, {dx, dw}, {0.5f});
  d.node(Op::cross_entropy_grad, {x, w, labels, lse, logp}, {dx2, -1}, {0.5f});
  d.fetch({logp, dx, dw, dx2});
  return d;
}

}  // namespace

void add_model_programs(std::vector<Draft>& out) {
  for (auto make : {embedding, adapted_linear_f32, adapted_linear_bf16, plain_linear, int8_linears, attention, cross_attention, heads, loss}) out.push_back(make());
}

}  // namespace ht::fuzz
