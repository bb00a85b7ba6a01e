// Programs of generation: caches, the choice of the next token, and indices that only the device knows.
#include "corpus.h"

namespace ht::fuzz {
namespace {

constexpr DType F32 = DType::F32, BF16 = DType::BF16, I32 = DType::I32;

// One step against a cache, with ancestors and a prefix bank.
Draft cached_step() {
  Draft d("cached step");
  const int32_t R = d.symbol(3);
  const int32_t x = d.feed(BF16, {s(R), n(4)}), length = d.buffer(I32, {s(R)}), ancestors = d.feed(I32, {s(R), n(5)});
  const int32_t keys = d.buffer(BF16, {n(20), n(4)}), values = d.buffer(F32, {n(20), n(4)}), bias = d.buffer(F32, {n(4), n(2)}, true);
  const int32_t slot = d.feed(I32, {s(R)}), pk = d.buffer(F32, {n(4), n(4)}), pv = d.buffer(F32, {n(4), n(4)}), table = d.buffer(I32, {n(2), n(2)}), prefix_length = d.buffer(I32, {n(2)});
  const int32_t o = d.out(F32, {s(R), n(4)}), own = d.out(BF16, {s(R), n(4)});
  d.node(Op::kv_append, {keys, x, length}, {}, {5});
  d.node(Op::kv_append, {values, x, length}, {}, {5});
  d.node(Op::prefix_attention_decode, {x, keys, values, length, ancestors, bias, slot, pk, pv, table, prefix_length, -1}, {o}, {2, 5, 8, 2, 1, F32});
  d.node(Op::prefix_attention_decode, {o, keys, values, length, -1, -1, -1, -1, -1, -1, -1, -1}, {own}, {1, 5, 1, 1, 0, BF16});
  d.fetch({o, own});
  return d;
}

// Ends itself: sample raises the stop value.
Draft next_token() {
  Draft d("next token");
  const int32_t R = d.symbol(3), E = d.symbol(2);
  const int32_t x = d.feed(BF16, {s(R), n(9)}), history = d.buffer(I32, {s(R), n(4)}), length = d.buffer(I32, {s(R)}), token = d.buffer(I32, {s(R)}), done = d.buffer(I32, {s(R)});
  const int32_t eos = d.feed(I32, {s(E)}), banned = d.feed(I32, {n(2), n(3)}), suppress = d.buffer(I32, {n(2)}, true), params = d.feed(F32, {s(R), n(4)}), seed = d.feed(I32, {s(R), n(2)});
  const auto logits = [&] { return d.out(F32, {s(R), n(9)}); };
  const int32_t ruled = logits(), log_probabilities = logits(), value = d.out(F32, {s(R), n(3)}), id = d.out(I32, {s(R), n(3)});
  const int32_t next = d.out(I32, {s(R)}), logp = d.out(F32, {s(R)}), stop = d.out(I32, {n(1)});
  d.node(Op::logit_rules, {x, history, length, eos, banned, suppress}, {ruled}, {1.3f, 2, 1});
  d.node(Op::log_softmax, {ruled}, {log_probabilities});
  d.node(Op::top_k, {log_probabilities}, {value, id}, {3});
  d.node(Op::sample, {ruled, token, length, done, history, params, seed, eos}, {next, logp, stop}, {0});
  d.fetch({next, logp, value, id});
  d.stop = stop;
  return d;
}

// Everything that is indexed gets its index from top_k: kernels must clamp.
Draft device_indices() {
  Draft d("device indices");
  const int32_t x = d.feed(F32, {n(2), n(9)}), tokens = d.feed(F32, {n(6), n(4)}), table = d.buffer(BF16, {n(3), n(4)}), w = d.buffer(F32, {n(4), n(4)});
  const int32_t value = d.out(F32, {n(2), n(3)}), id = d.out(I32, {n(2), n(3)}), all = d.out(I32, {n(6)}), column = d.out(I32, {n(6), n(1)}), square = d.out(I32, {n(3), n(2)});
  // Vectors of `height` that together are the column.
  const auto parts = [&](int32_t height) {
    Ids blocks, vectors;
    for (int32_t i = 0; i < 6 / height; ++i) {
      blocks.push_back(d.out(I32, {n(height), n(1)}));
      vectors.push_back(d.out(I32, {n(height)}));
    }
    d.node(Op::split_rows, {column}, blocks, {6 / height});
    for (size_t i = 0; i < blocks.size(); ++i) d.node(Op::reshape, {blocks[i]}, {vectors[i]});
    return vectors;
  };
  const auto mat = [&](int32_t height, DType t = DType::F32) { return d.out(t, {n(height), n(4)}); };
  d.node(Op::top_k, {x}, {value, id}, {3});
  d.node(Op::reshape, {id}, {all});
  d.node(Op::reshape, {id}, {column});
  d.node(Op::reshape, {all}, {square});
  const Ids threes = parts(3), twos = parts(2);
  const int32_t ends = threes[1], pair = twos[0], pair2 = twos[1];
  const int32_t first = d.feed(I32, {n(3)}), second = d.buffer(I32, {n(3)});
  const int32_t gathered = mat(6), scattered = mat(5), embedded = mat(6), dtable = mat(3), dprompt = mat(2), logp = d.out(F32, {n(6)}), lse = d.out(F32, {n(6)});
  d.node(Op::gather_rows, {tokens, all}, {gathered}, {F32});
  d.node(Op::scatter_add_rows, {tokens, all}, {scattered});
  d.node(Op::write_rows, {table, all, tokens}, {});
  d.node(Op::embedding, {table, kAbsent, all}, {embedded}, {F32});
  d.node(Op::embedding_grad, {table, all, tokens}, {dtable, dprompt});
  d.node(Op::cross_entropy, {tokens, w, all, -1}, {logp, lse}, {1.0f});
  const int32_t y = mat(6), z = mat(6), dx = mat(6), da = mat(2), db = mat(2), scale = d.feed(F32, {n(3)});
  d.node(Op::lora_linear, {tokens, first, pair, pair2, kAbsent, w, kAbsent, w, w, square, scale, kAbsent, kAbsent}, {y}, {1, 2, F32});
  d.node(Op::lora_linear, {tokens, first, kAbsent, pair, w, w, -1, -1, -1, -1, -1, -1, w}, {z}, {1, 1, F32});
  d.node(Op::lora_linear_dx, {first, pair, pair2, w, y, w, w, w, square, scale, kAbsent, w}, {dx}, {1, 2});
  const int32_t small = d.feed(F32, {n(2), n(4)});
  d.node(Op::lora_linear_dab, {tokens, second, pair, z, small, small, square, scale, kAbsent}, {da, db}, {1});
  const int32_t o = mat(6), olse = d.out(F32, {n(6), n(2)}), dq = mat(6), dk = mat(6), dv = mat(6), dpk = mat(6), dpv = mat(6);
  const Ids in = {tokens, gathered, embedded, first, second, pair, kAbsent, pair2, y, z, square, ends, kAbsent};
  Ids back = in;
  back.insert(back.end(), {o, olse, y});
  d.node(Op::prefix_attention, in, {o, olse}, {2, 0, 0, 8, 2, 0, F32});
  d.node(Op::prefix_attention_grad, back, {dq, dk, dv, kAbsent, dpk, dpv, kAbsent}, {2, 0, 0, 8, 2, 0});
  d.fetch({scattered, dtable, dprompt, logp, dx, da, db, dq, dk, dv, dpk, dpv});
  return d;
}

// The same for the ops of a generation step.
Draft device_generation() {
  Draft d("device generation");
  const int32_t x = d.feed(F32, {n(3), n(8)}), cache = d.buffer(F32, {n(8), n(8)}), params = d.feed(F32, {n(3), n(4)}), seed = d.feed(I32, {n(3), n(2)});
  const int32_t value = d.out(F32, {n(3), n(4)}), id = d.out(I32, {n(3), n(4)}), one_value = d.out(F32, {n(3), n(1)}), one = d.out(I32, {n(3), n(1)}), length = d.out(I32, {n(3)});
  const int32_t o = d.out(F32, {n(3), n(8)}), own = d.out(F32, {n(3), n(8)}), ruled = d.out(F32, {n(3), n(8)}), next = d.out(I32, {n(3)}), logp = d.out(F32, {n(3)}), stop = d.out(I32, {n(1)});
  const int32_t state = d.buffer(I32, {n(3)}), token = d.buffer(I32, {n(3)}), done = d.buffer(I32, {n(3)}), history = d.buffer(I32, {n(3), n(4)});
  d.node(Op::top_k, {x}, {value, id}, {4});
  d.node(Op::top_k, {x}, {one_value, one}, {1});
  d.node(Op::reshape, {one}, {length});
  d.node(Op::kv_append, {cache, x, length}, {}, {4});
  d.node(Op::prefix_attention_decode, {x, cache, cache, length, id, -1, length, cache, cache, id, length, -1}, {o}, {2, 4, 8, 4, 0, F32});
  d.node(Op::prefix_attention_decode, {o, cache, cache, length, -1, -1, -1, -1, -1, -1, -1, -1}, {own}, {8, 4, 8, 4, 0, F32});
  d.node(Op::logit_rules, {own, id, length, length, id, length}, {ruled}, {1.5f, 2, 3});
  d.node(Op::sample, {ruled, token, state, done, history, params, seed, length}, {next, logp, stop}, {7});
  d.fetch({ruled, next, logp});
  d.stop = stop;
  return d;
}

}  // namespace

void add_generation_programs(std::vector<Draft>& out) {
  for (auto make : {cached_step, next_token, device_indices, device_generation}) out.push_back(make());
}

std::vector<Draft> corpus() {
  std::vector<Draft> all;
  add_basic_programs(all);
  add_model_programs(all);
  add_generation_programs(all);
  return all;
}

}  // namespace ht::fuzz
