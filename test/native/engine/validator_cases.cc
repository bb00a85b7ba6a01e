#include "validator_cases.h"

#include <cstdio>
#include <functional>

#include "core/error.h"
#include "draft.h"
#include "mutate.h"

namespace ht::fuzz {
namespace {

constexpr DType F32 = DType::F32, BF16 = DType::BF16, I32 = DType::I32;
constexpr float kInfinity = __builtin_inff();

struct Outcome {
  int passed = 0, failed = 0;
};

// The program must be refused as GRAPH_INVALID, and field or message must hold `text`. Without text it must be accepted.
void expect(Outcome& outcome, const char* name, const Words& words, const std::vector<BufferSpec>& buffers, const std::string& text) {
  std::string said = "accepted";
  bool good = text.empty();
  try {
    Program p = parse_program(words.data(), static_cast<int64_t>(words.size()), buffers);
    plan_arena(p, true);
  } catch (const Error& e) {
    said = std::string(e.code) + " " + e.field + ": " + e.what();
    good = !text.empty() && std::string(e.code) == "GRAPH_INVALID" && said.find(text) != std::string::npos;
  }
  if (good) {
    ++outcome.passed;
    return;
  }
  ++outcome.failed;
  std::printf("validator case '%s': %s, expected '%s'\n", name, said.c_str(), text.c_str());
}

// ---- structure: one word of a small valid program is replaced ---------------------------------------------------------

// Words: 12 header, 2 capacities, values x (at 14), b (30), y (46), z (62), add (78: 5 + 3 + 1), sum (87: 5 + 2), fetch (94).
Draft small_program() {
  Draft d("small");
  const int32_t S = d.symbol(4);
  d.symbol(6);
  const int32_t x = d.feed(F32, {s(S), n(3)}), b = d.buffer(F32, {s(S), n(3)}), y = d.out(F32, {s(S), n(3)}), z = d.out(F32, {n(1)});
  d.node(Op::add, {x, b}, {y}, {F32});
  d.node(Op::sum, {y}, {z});
  d.fetch({z});
  return d;
}

void structure(Outcome& outcome) {
  const Draft base = small_program();
  const auto with = [&](const char* name, std::initializer_list<std::pair<size_t, int32_t>> changes, const char* text) {
    Words w = base.words();
    for (const auto& [at, word] : changes) w[at] = word;
    expect(outcome, name, w, base.buffers, text);
  };
  with("as it is", {}, "");
  with("magic", {{0, 7}}, "magic: not a command buffer");
  with("version", {{1, 99}}, "another op table");
  with("too many symbols", {{2, kMaxSymbols + 1}}, "symbol count");
  with("negative values", {{3, -1}}, "value count");
  with("too many nodes", {{4, kMaxNodes + 1}}, "node count");
  with("negative fetches", {{5, -2}}, "fetch count");
  with("stop past the values", {{6, 4}}, "stop value");
  with("keep all is a flag", {{7, 2}}, "keep all");
  with("total", {{8, 94}}, "does not match the length");
  with("reserved", {{10, 1}}, "reserved");
  with("more nodes than words", {{4, 60}}, "ends early");
  with("node count too small", {{4, 1}}, "outside");
  with("fetch count too small", {{5, 0}}, "left over");
  with("value kind", {{14, 3}}, "value kind");
  with("value of f64", {{15, 3}}, "value dtype");
  with("value of a type that there is not", {{15, 5}}, "value dtype");
  with("rank", {{16, 5}}, "value rank");
  with("buffer index", {{33, 1}}, "value index");
  with("computed with an index", {{49, 0}}, "value index");
  with("feed twice", {{30, 1}}, "declared twice");
  with("feed gap", {{17, 1}}, "leaves a gap");
  with("symbol", {{19, 2}}, "dimension symbol");
  with("negative addend", {{20, -3}}, "dimension addend");
  with("coefficient without a symbol", {{21, 1}}, "a constant has no symbol");
  with("symbol without a coefficient", {{18, 0}}, "a constant has no symbol");
  with("negative capacity", {{12, -1}}, "symbol capacity");
  with("too many elements", {{12, INT32_MAX}, {23, INT32_MAX}}, "more than 2^40");
  with("dimension beyond 2^40", {{18, INT32_MAX}, {12, INT32_MAX}}, "more than 2^40");
  with("buffer too small", {{12, 5}}, "has 12 elements");
  with("buffer of another type", {{31, 1}}, "buffer 0 holds f32");
  with("empty but endless", {{36, 0}, {34, 0}, {35, -1}, {39, 1 << 21}}, "other dimensions are too large");
  with("op", {{78, kOpCount}}, "op: ");
  with("input count", {{80, kMaxOperands}}, "input count");
  with("output count", {{81, -1}}, "output count");
  with("attribute count", {{82, 65}}, "attribute count");
  with("operands past the end", {{80, 1000}}, "ends early");
  with("input id", {{83, 4}}, "input: ");
  with("output id", {{85, -2}}, "output: ");
  with("read before it is computed", {{83, 3}}, "before it is computed");
  with("written twice", {{93, 2}}, "exists already");
  with("a feed as output", {{85, 0}}, "exists already");
  with("output absent", {{85, -1}, {92, 1}, {94, 0}}, "operand y: is missing");
  with("stop is a float", {{6, 3}}, "computed i32 [1]");
  Words cut = base.words();
  cut.resize(5);
  expect(outcome, "ends in the header", cut, base.buffers, "ends early");
  expect(outcome, "no words", {}, {}, "ends early");
}

// ---- operands: small programs that break one rule each ----------------------------------------------------------------

using Build = std::function<void(Draft&)>;

void refuse(Outcome& outcome, const char* name, const char* text, const Build& build) {
  Draft d(name);
  build(d);
  expect(outcome, name, d.words(), d.buffers, text);
}

void operands(Outcome& outcome) {
  refuse(outcome, "attribute missing", "has 0 attributes", [](Draft& d) { d.node(Op::fill, {}, {d.out(F32, {n(2)})}); });
  refuse(outcome, "attribute out of range", "outside [0, 3]", [](Draft& d) { d.node(Op::activation, {d.feed(F32, {n(2)})}, {d.out(F32, {n(2)})}, {4, F32}); });
  refuse(outcome, "attribute infinite", "is not finite", [](Draft& d) { d.node(Op::fill, {}, {d.out(F32, {n(2)})}, {kInfinity}); });
  refuse(outcome, "attribute type i32", "is no float type", [](Draft& d) { d.node(Op::cast, {d.feed(F32, {n(2)})}, {d.out(F32, {n(2)})}, {I32}); });
  refuse(outcome, "input missing from the list", "has 1 inputs", [](Draft& d) { d.node(Op::add, {d.feed(F32, {n(2)})}, {d.out(F32, {n(2)})}, {F32}); });
  refuse(outcome, "repetitions", "has 2 outputs", [](Draft& d) { d.node(Op::split_rows, {d.feed(F32, {n(6), n(1)})}, {d.out(F32, {n(2), n(1)}), d.out(F32, {n(2), n(1)})}, {3}); });
  refuse(outcome, "operand absent", "operand b: is missing", [](Draft& d) { d.node(Op::add, {d.feed(F32, {n(2)}), kAbsent}, {d.out(F32, {n(2)})}, {F32}); });
  refuse(outcome, "integers to add", "i32 is the wrong type", [](Draft& d) { const int32_t x = d.feed(I32, {n(2)}); d.node(Op::add, {x, x}, {d.out(F32, {n(2)})}, {F32}); });
  refuse(outcome, "bf16 where f32 must be", "bf16 is the wrong type", [](Draft& d) { d.node(Op::scale_by, {d.feed(F32, {n(2)}), d.feed(BF16, {n(1)})}, {d.out(F32, {n(2)})}, {F32}); });
  refuse(outcome, "float index", "operand index: f32", [](Draft& d) { d.node(Op::gather_rows, {d.feed(F32, {n(2), n(2)}), d.feed(F32, {n(2)})}, {d.out(F32, {n(2), n(2)})}, {F32}); });
  refuse(outcome, "output of another type than the attribute", "operand y: bf16", [](Draft& d) { d.node(Op::cast, {d.feed(F32, {n(2)})}, {d.out(BF16, {n(2)})}, {F32}); });
  refuse(outcome, "view of another type", "operand y: f32", [](Draft& d) { d.node(Op::reshape, {d.feed(I32, {n(2)})}, {d.out(F32, {n(2)})}); });
  refuse(outcome, "shapes differ", "differs in shape from a", [](Draft& d) { d.node(Op::add, {d.feed(F32, {n(2)}), d.feed(F32, {n(3)})}, {d.out(F32, {n(2)})}, {F32}); });
  refuse(outcome, "rank", "has 1 dimensions, not 2", [](Draft& d) { d.node(Op::linear_dw, {d.feed(F32, {n(2)}), d.feed(F32, {n(2), n(2)})}, {d.out(F32, {n(2), n(2)})}); });
  refuse(outcome, "constant dimension", "dimension 0 is not 1", [](Draft& d) { d.node(Op::sum, {d.feed(F32, {n(2)})}, {d.out(F32, {n(2)})}); });
  refuse(outcome, "names disagree", "disagrees with T", [](Draft& d) { d.node(Op::linear_dw, {d.feed(F32, {n(2), n(3)}), d.feed(F32, {n(4), n(3)})}, {d.out(F32, {n(3), n(3)})}); });
  refuse(outcome, "symbols disagree", "disagrees with T", [](Draft& d) {
    const int32_t S = d.symbol(4), U = d.symbol(4);
    d.node(Op::linear_dw, {d.feed(F32, {s(S), n(3)}), d.feed(F32, {s(U), n(2)})}, {d.out(F32, {n(2), n(3)})});
  });
  refuse(outcome, "not a multiple", "is not n * P + 0", [](Draft& d) { d.node(Op::split_rows, {d.feed(F32, {n(5), n(1)})}, {d.out(F32, {n(2), n(1)}), d.out(F32, {n(2), n(1)})}, {2}); });
  refuse(outcome, "offsets without a row", "is not 1 * R + 1", [](Draft& d) {
    const int32_t x = d.feed(F32, {n(2), n(2)}), w = d.buffer(F32, {n(2), n(2)});
    d.node(Op::lora_linear, {x, d.feed(I32, {n(0)}), -1, -1, -1, w, -1, -1, -1, -1, -1, -1, -1}, {d.out(F32, {n(2), n(2)})}, {1, 1, F32});
  });
  refuse(outcome, "reshape to another size", "another number of elements", [](Draft& d) { d.node(Op::reshape, {d.feed(F32, {n(6)})}, {d.out(F32, {n(2), n(2)})}); });
  refuse(outcome, "reshape to another symbol", "another number of elements", [](Draft& d) {
    const int32_t S = d.symbol(4), U = d.symbol(4);
    d.node(Op::reshape, {d.feed(F32, {s(S, 2), n(3)})}, {d.out(F32, {s(U, 3), n(2)})});
  });
  refuse(outcome, "reshape of symbols", "", [](Draft& d) {
    const int32_t S = d.symbol(4), U = d.symbol(4);
    d.node(Op::reshape, {d.feed(F32, {s(S, 6), s(U, 1, 1)})}, {d.out(F32, {n(3), s(U, 1, 1), s(S, 2)})});
  });
}

void writes_and_rules(Outcome& outcome) {
  const auto accumulate = [](Draft& d, int32_t target) { d.node(Op::accumulate, {target, d.feed(F32, {n(2)})}, {}); };
  refuse(outcome, "writes a feed", "must be a persistent buffer", [&](Draft& d) { accumulate(d, d.feed(F32, {n(2)})); });
  refuse(outcome, "writes a frozen buffer", "is frozen", [&](Draft& d) { accumulate(d, d.buffer(F32, {n(2)}, true)); });
  refuse(outcome, "writes a view of a frozen buffer", "is frozen", [&](Draft& d) {
    const int32_t view = d.out(F32, {n(2)});
    d.node(Op::reshape, {d.buffer(F32, {n(1), n(2)}, true)}, {view});
    accumulate(d, view);
  });
  const auto linear = [](Draft& d, const Ids& rows, const Ids& group) {
    Ids in = {d.feed(F32, {n(4), n(2)})};
    in.insert(in.end(), rows.begin(), rows.end());
    in.insert(in.end(), group.begin(), group.end());
    d.node(Op::lora_linear, in, {d.out(F32, {n(4), n(2)})}, {1, 1, F32});
  };
  refuse(outcome, "a slot for some tokens", "is absent, so T must equal R", [&](Draft& d) { linear(d, {-1, d.feed(I32, {n(3)}), -1, -1}, {d.buffer(F32, {n(2), n(2)}), -1, -1, -1, -1, -1, -1, -1}); });
  refuse(outcome, "A without B", "operand b: is missing, and a needs it", [&](Draft& d) { linear(d, {-1, -1, -1, -1}, {d.buffer(F32, {n(2), n(2)}), -1, d.buffer(F32, {n(1), n(2)}), -1, -1, -1, -1, -1}); });
  const auto weight = [&](Draft& d, DType dtype, int32_t scales) { linear(d, {-1, -1, -1, -1}, {d.buffer(dtype, {n(2), n(2)}), scales ? d.buffer(F32, {n(scales)}) : -1, -1, -1, -1, -1, -1, -1}); };
  refuse(outcome, "an int8 weight", "", [&](Draft& d) { weight(d, DType::I8, 2); });
  refuse(outcome, "an int8 weight without scales", "operand w_scale: stands beside an i8 w", [&](Draft& d) { weight(d, DType::I8, 0); });
  refuse(outcome, "scales of a float weight", "operand w_scale: stands beside an i8 w", [&](Draft& d) { weight(d, F32, 2); });
  refuse(outcome, "scales for other rows", "disagrees with out_i", [&](Draft& d) { weight(d, DType::I8, 3); });
  refuse(outcome, "int8 rows whose sums could overflow", "at most 131072 elements", [](Draft& d) {
    const int32_t x = d.feed(F32, {n(1), n(131073)}), w = d.buffer(DType::I8, {n(1), n(131073)});
    d.node(Op::lora_linear, {x, -1, -1, -1, -1, w, d.buffer(F32, {n(1)}), -1, -1, -1, -1, -1, -1}, {d.out(F32, {n(1), n(1)})}, {1, 1, F32});
  });
  refuse(outcome, "int8 activations", "i8 is a type of buffers only", [](Draft& d) { d.node(Op::sum, {d.feed(DType::I8, {n(2)})}, {d.out(F32, {n(1)})}); });
  refuse(outcome, "int8 where floats are wanted", "i8 is the wrong type", [](Draft& d) { d.node(Op::sum, {d.buffer(DType::I8, {n(2)})}, {d.out(F32, {n(1)})}); });
  const auto attend = [](Draft& d, int32_t width, int32_t heads, int32_t tokens, int32_t keys, const Ids& rest) {
    Ids in = {d.feed(F32, {n(tokens), n(width)}), d.feed(F32, {n(9), n(width)}), d.feed(F32, {n(9), n(width)}), -1, d.feed(I32, {n(keys + 1)}), -1};
    in.insert(in.end(), rest.begin(), rest.end());
    in.resize(13, -1);
    d.node(Op::prefix_attention, in, {d.out(F32, {n(tokens), n(width)}), -1}, {heads, 0, 0, 8, 1, 0, F32});
  };
  refuse(outcome, "a key row per query", "", [&](Draft& d) { attend(d, 6, 3, 4, 4, {}); });
  refuse(outcome, "more queries than key rows", "kv_row: is absent, so K must equal R", [&](Draft& d) { attend(d, 6, 3, 4, 2, {}); });
  refuse(outcome, "heads that do not divide the width", "not a multiple of 4 heads", [&](Draft& d) { attend(d, 6, 4, 4, 4, {}); });
  refuse(outcome, "bias without a bucket", "may have no bucket", [&](Draft& d) { attend(d, 6, 3, 4, 4, {d.feed(F32, {n(0), n(3)})}); });
  const auto with_offsets = [](Draft& d, int32_t offsets) {
    const int32_t x = d.feed(F32, {n(2), n(2)}), w = d.buffer(F32, {n(2), n(2)});
    d.node(Op::lora_linear, {x, offsets, -1, -1, -1, w, -1, -1, -1, -1, -1, -1, -1}, {d.out(F32, {n(2), n(2)})}, {1, 1, F32});
  };
  refuse(outcome, "offsets from the device", "must be known before the run", [&](Draft& d) {
    const int32_t id = d.out(I32, {n(1), n(2)}), offsets = d.out(I32, {n(2)});
    d.node(Op::top_k, {d.feed(F32, {n(1), n(5)})}, {d.out(F32, {n(1), n(2)}), id}, {2});
    d.node(Op::reshape, {id}, {offsets});
    with_offsets(d, offsets);
  });
  refuse(outcome, "offsets that the program writes", "writes itself", [&](Draft& d) {
    const int32_t offsets = d.buffer(I32, {n(2)}), again = d.again(offsets, {n(1), n(2)});
    with_offsets(d, offsets);
    d.node(Op::zero, {again}, {});
  });
  refuse(outcome, "stop may be empty", "computed i32 [1]", [](Draft& d) {
    const int32_t S = d.symbol(1);
    d.stop = d.buffer(I32, {s(S)});
  });
  refuse(outcome, "fetch of what nobody computes", "is never computed", [](Draft& d) { d.fetch({d.out(F32, {n(2)})}); });
}

}  // namespace

int run_validator_cases(int& passed) {
  Outcome outcome;
  structure(outcome);
  operands(outcome);
  writes_and_rules(outcome);
  passed = outcome.passed;
  return outcome.failed;
}

}  // namespace ht::fuzz
