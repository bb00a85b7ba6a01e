// Programs of plumbing ops.
#include "corpus.h"

namespace ht::fuzz {
namespace {

constexpr DType F32 = DType::F32, BF16 = DType::BF16, I32 = DType::I32;

Draft views() {
  Draft d("views");
  const int32_t S = d.symbol(5);
  const int32_t x = d.feed(F32, {s(S, 6), n(4)}), ids = d.feed(I32, {n(2), n(3)});
  const int32_t folded = d.out(F32, {s(S), n(24)}), back = d.out(F32, {s(S, 6), n(4)});
  const int32_t a = d.out(F32, {s(S, 2), n(4)}), b = d.out(F32, {s(S, 2), n(4)}), c = d.out(F32, {s(S, 2), n(4)});
  const int32_t joined = d.out(BF16, {s(S, 6), n(4)}), flat = d.out(I32, {n(6)}), rows = d.out(F32, {n(6), n(4)});
  d.node(Op::reshape, {x}, {folded});
  d.node(Op::reshape, {folded}, {back});
  d.node(Op::split_rows, {back}, {a, b, c}, {3});
  d.node(Op::concat_rows, {c, a, b}, {joined}, {3, BF16});
  d.node(Op::reshape, {ids}, {flat});
  d.node(Op::gather_rows, {joined, flat}, {rows}, {F32});
  d.fetch({rows, b, folded});
  return d;
}

Draft rows() {
  Draft d("rows");
  const int32_t M = d.symbol(4);
  const int32_t x = d.feed(BF16, {n(5), n(3)}), index = d.feed(I32, {s(M)}), table = d.buffer(F32, {n(6), n(3)});
  const int32_t places = d.buffer(I32, {s(M)}, true);
  const int32_t taken = d.out(BF16, {s(M), n(3)}), summed = d.out(F32, {n(6), n(3)});
  d.node(Op::gather_rows, {x, index}, {taken}, {BF16});
  d.node(Op::scatter_add_rows, {taken, places}, {summed});
  d.node(Op::write_rows, {table, places, taken}, {});
  d.fetch({summed, table});
  return d;
}

Draft elementwise() {
  Draft d("elementwise");
  const int32_t T = d.symbol(7);
  const Shape shape = {s(T), n(3)};
  const int32_t x = d.feed(F32, shape), y = d.feed(BF16, shape), key = d.feed(I32, {n(4)}), rate = d.feed(F32, {n(1)});
  const auto f32 = [&] { return d.out(F32, shape); };
  const int32_t sum = f32(), product = d.out(BF16, shape), scaled = f32(), total = d.out(F32, {n(1)}), by = f32(), narrow = d.out(BF16, shape);
  const int32_t spread = d.out(F32, shape), constant = d.out(F32, shape), dropped = f32(), active = d.out(BF16, shape), gated = f32();
  const int32_t dx = f32(), da = f32(), db = f32();
  d.node(Op::add, {x, y}, {sum}, {F32});
  d.node(Op::mul, {sum, y}, {product}, {BF16});
  d.node(Op::scale, {product}, {scaled}, {-0.5f, F32});
  d.node(Op::sum, {scaled}, {total});
  d.node(Op::scale_by, {sum, total}, {by}, {F32});
  d.node(Op::cast, {by}, {narrow}, {BF16});
  d.node(Op::expand, {total}, {spread});
  d.node(Op::fill, {}, {constant}, {2.5f});
  d.node(Op::dropout, {narrow, key, rate}, {dropped}, {17, F32});
  d.node(Op::activation, {dropped}, {active}, {1, BF16});
  d.node(Op::gated_activation, {active, spread}, {gated}, {2, F32});
  d.node(Op::activation_grad, {gated, constant}, {dx}, {0});
  d.node(Op::gated_activation_grad, {gated, dx, x}, {da, db}, {3});
  d.fetch({da, db, narrow});
  return d;
}

Draft optimizer() {
  Draft d("optimizer");
  const Shape shape = {n(3), n(5)};
  const int32_t param = d.buffer(F32, shape), m = d.buffer(F32, shape), v = d.buffer(F32, shape), copy = d.buffer(BF16, shape), grads = d.buffer(F32, shape);
  const int32_t snapshot = d.buffer(BF16, shape), counter = d.buffer(I32, {n(4)});
  const int32_t g = d.feed(BF16, shape), count = d.feed(F32, {n(1)}), rates = d.feed(F32, {n(3)});
  const int32_t norm = d.out(F32, {n(1)}), scale = d.out(F32, {n(1)}), mean_norm = d.out(F32, {n(1)}), doubled = d.out(BF16, shape);
  d.node(Op::add, {g, g}, {doubled}, {BF16});
  d.node(Op::accumulate, {grads, doubled}, {});
  d.node(Op::global_norm, {grads, doubled}, {norm}, {2});
  d.node(Op::grad_scale, {norm, count}, {scale, mean_norm}, {1.0f});
  d.node(Op::adamw, {param, m, v, copy, grads, rates, scale}, {}, {0.9f, 0.999f, 1e-8f, 0.01f, 1.0f});
  d.node(Op::assign, {snapshot, doubled}, {});
  d.node(Op::zero, {grads}, {});
  d.node(Op::zero, {counter}, {});
  d.fetch({mean_norm, param, counter});
  return d;
}

Draft factored_optimizer() {
  Draft d("factored optimizer");
  const Shape whole = {n(2), n(3), n(5)}, vector = {n(7)};
  const int32_t param = d.buffer(F32, whole), row = d.buffer(F32, {n(2), n(3)}), col = d.buffer(F32, {n(2), n(5)}), m = d.buffer(F32, whole), copy = d.buffer(BF16, whole);
  const int32_t gain = d.buffer(F32, vector), v = d.buffer(F32, vector), mean = d.buffer(F32, whole);
  const int32_t grad = d.feed(F32, whole), dgain = d.feed(F32, vector), rates = d.feed(F32, {n(2)}), gscale = d.feed(F32, {n(1)}), rate = d.feed(F32, {n(1)});
  d.node(Op::adafactor, {param, row, col, m, copy, grad, rates, gscale}, {}, {0.9f, 1e-30f, 1e-3f, 1.0f, 0.01f, 1.0f, 1});
  d.node(Op::adafactor_full, {gain, v, kAbsent, kAbsent, dgain, rates, gscale}, {}, {0.0f, 1e-30f, 1e-3f, 1.0f, 0.0f, 1.0f, 0});
  d.node(Op::average, {mean, param, rate, gscale}, {});
  d.fetch({param, gain, mean});
  return d;
}

Draft everything_kept() {
  Draft d("everything kept");
  d.keep_all = true;
  const int32_t T = d.symbol(3), C = d.symbol(9);
  const int32_t x = d.feed(F32, {s(T, 2, 1), s(C)});
  int32_t last = x;
  for (int i = 0; i < 3; ++i) {
    const int32_t next = d.out(F32, {s(T, 2, 1), s(C)});
    d.node(Op::mul, {last, last}, {next}, {F32});
    last = next;
  }
  d.fetch({x, last});
  return d;
}

Draft nothing() {
  Draft d("nothing");
  const int32_t x = d.feed(I32, {n(3)}), b = d.buffer(BF16, {n(2), n(2)}, true), t = d.buffer(F32, {n(0), n(4)});
  d.fetch({x, b, t, x});
  return d;
}

}  // namespace

void add_basic_programs(std::vector<Draft>& out) {
  for (auto make : {views, rows, elementwise, optimizer, factored_optimizer, everything_kept, nothing}) out.push_back(make());
}

}  // namespace ht::fuzz
