// Chains of nodes that the CUDA backend launches as one (native/cuda/fuse.h), against the same nodes launched one by one: the same bits,
// eagerly, captured and replayed, wherever a run is cut; nothing written that should not be; and chains that must stay apart do.
//   fuse_test [--library PATH] [--schedules first|greedy|all|last] [--only TEXT]
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/ops.gen.h"
#include "cpu/check.h"

namespace ht {
namespace {

constexpr size_t kGuard = 64;
constexpr unsigned char kPoison = 0xA7;
constexpr DType F = DType::F32, H = DType::BF16, I = DType::I32;

HtBackend* backend = nullptr;
std::string schedule, only;

void must(HtStatus status) {
  if (status == HT_OK) return;
  std::printf("%s\n", backend->last_error(backend->self));
  std::exit(2);
}

// A value of a program: its bytes at the start, guard bands around them, and its place on the device.
struct Value {
  Tensor tensor;
  std::vector<unsigned char> start;
  size_t shift = 0;  // of its first element, so that it need not be aligned
  bool written = false, kept = true;
  int in_place_of = -1;  // shares the memory of that value
  void* memory = nullptr;
};

struct Node {
  Op op;
  std::vector<int> in, out;
  std::vector<Attr> attr;
};

Attr integer(int32_t i) {
  Attr a;
  a.i = i;
  return a;
}
Attr real(float f) {
  Attr a;
  a.f = f;
  return a;
}
Attr type(DType t) { return integer(static_cast<int32_t>(t)); }

class Program {
 public:
  Random random;
  std::vector<Value> values;
  std::vector<Node> nodes;

  int floats(DType dtype, std::vector<int64_t> shape, size_t shift = 0, float size = 1) {
    const int id = add(dtype, shape, shift);
    Tensor t = values[id].tensor;
    t.data = values[id].start.data() + kGuard + shift;
    for (int64_t i = 0; i < t.size(); ++i) t.set(i, size * random.uniform());
    return id;
  }
  int integers(std::vector<int64_t> shape, const std::function<int(int64_t)>& f) {
    const int id = add(I, shape, 0);
    for (int64_t i = 0; i < values[id].tensor.size(); ++i) {
      const int32_t v = f(i);
      std::memcpy(values[id].start.data() + kGuard + i * 4, &v, 4);
    }
    return id;
  }
  // Computed by a node. An intermediate need not be there after the run.
  int output(DType dtype, std::vector<int64_t> shape, bool kept = true) {
    const int id = add(dtype, shape, 0);
    values[id].written = true;
    values[id].kept = kept;
    return id;
  }
  void node(Op op, std::vector<int> in, std::vector<int> out, std::vector<Attr> attr) { nodes.push_back({op, in, out, attr}); }

  std::vector<int32_t> readers() const {
    std::vector<int32_t> count;
    for (const Value& v : values) count.push_back(v.written && v.kept);
    for (const Node& n : nodes)
      for (int v : n.in)
        if (v >= 0) ++count[v];
    return count;
  }

 private:
  int add(DType dtype, const std::vector<int64_t>& shape, size_t shift) {
    Value v;
    v.tensor.dtype = dtype;
    v.tensor.rank = static_cast<int32_t>(shape.size());
    for (size_t i = 0; i < shape.size(); ++i) v.tensor.dim[i] = shape[i];
    v.shift = shift * dtype_size(dtype);
    v.start.assign(v.tensor.bytes() + v.shift + 2 * kGuard, kPoison);
    values.push_back(std::move(v));
    return static_cast<int>(values.size()) - 1;
  }
};

struct Run {
  std::vector<std::vector<unsigned char>> bytes;  // of every value, with its guard bands
  bool bad_index = false;
};

enum class Way { Alone, Fused };

class OnDevice {
 public:
  OnDevice(Program& p, Way way) : p_(p) {
    for (Value& v : p_.values) {
      if (v.in_place_of >= 0) v.memory = p_.values[v.in_place_of].memory;
      else must(backend->alloc(backend->self, v.start.size(), &v.memory));
      v.tensor.data = static_cast<char*>(v.memory) + kGuard + v.shift;
    }
    operands_.reserve(1000);
    for (const Node& n : p_.nodes) {
      HtNode node{};
      node.op = static_cast<int32_t>(n.op);
      node.call.in = gather(n.in);
      node.call.out = gather(n.out);
      node.call.attr = n.attr.data();
      node.call.flags = &flags_;
      node.in_count = static_cast<int32_t>(n.in.size());
      node.out_count = static_cast<int32_t>(n.out.size());
      if (way == Way::Fused) node.in_value = n.in.data(), node.out_value = n.out.data();
      nodes_.push_back(node);
    }
    const std::vector<int32_t> readers = p_.readers();
    HtProgram program{sizeof(HtProgram), static_cast<int32_t>(nodes_.size()), nodes_.data(), nullptr, readers.data()};
    until.resize(nodes_.size());
    must(backend->chains(backend->self, &program, until.data()));
    size_t bytes = 0;
    must(backend->prepare(backend->self, &program, &plan_, &bytes));
    must(backend->alloc(backend->self, bytes + 1, &workspace_));
    program.workspace = workspace_;
    must(backend->bind(backend->self, plan_, &program, &bound_));
  }
  ~OnDevice() {
    backend->unbind(backend->self, bound_);
    backend->drop(backend->self, plan_);
    backend->release(backend->self, workspace_);
    for (Value& v : p_.values)
      if (v.in_place_of < 0) backend->release(backend->self, v.memory);
  }
  // In runs that end before each node of `cuts`.
  Run run(std::vector<int32_t> cuts = {}) {
    cuts.push_back(static_cast<int32_t>(nodes_.size()));
    flags_.bad_index = 0;
    for (Value& v : p_.values)
      if (v.in_place_of < 0) must(backend->copy(backend->self, v.memory, v.start.data(), v.start.size(), 0));
    int32_t first = 0;
    for (int32_t end : cuts) {
      must(backend->run(backend->self, bound_, first, end));
      first = end;
    }
    Run result;
    for (Value& v : p_.values) {
      result.bytes.emplace_back(v.start.size());
      must(backend->copy(backend->self, result.bytes.back().data(), v.memory, v.start.size(), 1));
    }
    must(backend->sync(backend->self));
    result.bad_index = flags_.bad_index.load() != 0;
    return result;
  }
  std::vector<int32_t> until;

 private:
  Tensor* gather(const std::vector<int>& ids) {
    Tensor* first = operands_.data() + operands_.size();
    for (int id : ids) operands_.push_back(id < 0 ? Tensor{} : p_.values[id].tensor);
    return first;
  }
  Program& p_;
  std::vector<Tensor> operands_;
  std::vector<HtNode> nodes_;
  RunFlags flags_;
  void *plan_ = nullptr, *bound_ = nullptr, *workspace_ = nullptr;
};

bool poisoned(const std::vector<unsigned char>& bytes) {
  for (unsigned char b : bytes)
    if (b != kPoison) return false;
  return true;
}

// `chains`: for each node the last one of its chain. runs_as_one: those chains are launched as one, so that what links their nodes is not
// even written. flag: some index is out of range.
void check(const std::string& name, Program& p, const std::vector<int32_t>& chains, bool runs_as_one = true, bool flag = false) {
  if (name.find(only) == std::string::npos) return;
  std::vector<int32_t> every;
  for (size_t i = 1; i < p.nodes.size(); ++i) every.push_back(static_cast<int32_t>(i));
  Run want;
  {
    OnDevice alone(p, Way::Alone);
    for (size_t i = 0; i < alone.until.size(); ++i) CHECK(alone.until[i] == static_cast<int32_t>(i), "%s: a chain of unknown values", name.c_str());
    want = alone.run();
  }
  CHECK(want.bad_index == flag, "%s, %s: flag", name.c_str(), schedule.c_str());
  const auto compare = [&](const Run& got, const char* way, bool as_one) {
    for (size_t v = 0; v < p.values.size(); ++v) {
      const Value& value = p.values[v];
      if (value.in_place_of >= 0) continue;
      const bool skipped = as_one && !value.kept;
      CHECK(skipped ? poisoned(got.bytes[v]) : got.bytes[v] == want.bytes[v], "%s, %s, %s: value %zu", name.c_str(), schedule.c_str(), way, v);
    }
    CHECK(got.bad_index == want.bad_index, "%s, %s, %s: flag", name.c_str(), schedule.c_str(), way);
  };
  OnDevice fused(p, Way::Fused);
  CHECK(fused.until == chains, "%s: chains", name.c_str());
  for (const char* way : {"eagerly", "captured", "replayed"}) compare(fused.run(), way, runs_as_one);
  compare(fused.run(every), "cut everywhere", false);
}

// Slots with 0, 1 and 2 pages of ranks.
struct Low {
  int pages = 0, page_rank = 1;
  bool mid = false;
};

std::vector<int> linear_inputs(Program& p, int x, int64_t tokens, int64_t k, const std::vector<int64_t>& rows, DType w, const Low& low, size_t shift) {
  const int64_t slots = 3;
  std::vector<int> in = {x, -1, low.pages ? p.integers({tokens}, [&](int64_t i) { return static_cast<int>(i % slots); }) : -1, -1, -1};
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t n = rows[i];
    in.push_back(p.floats(w, {n, k}, shift, 0.3f));
    in.push_back(-1);  // the scales of int8 weights
    if (!low.pages || i == 1) {  // q and v have adapters, k has none
      in.insert(in.end(), 6, -1);
      continue;
    }
    const int64_t ranks = int64_t{low.page_rank} * low.pages;
    in.push_back(p.floats(w, {ranks, k}, shift));
    in.push_back(p.floats(w, {ranks, n}, shift));
    in.push_back(p.integers({slots, 2}, [&](int64_t i) { return i == 0 ? 1 % low.pages : i == 2 ? 0 : i == 3 ? low.pages - 1 : -1; }));
    in.push_back(p.floats(F, {slots}));
    in.push_back(low.mid ? p.floats(F, {tokens, 2 * low.page_rank}) : -1);
    in.push_back(-1);
  }
  return in;
}

struct Product {
  int64_t tokens, k;
  std::vector<int64_t> rows;
  DType x, y, w;
  Low low = {};
  size_t shift = 0;
};

std::string named(const char* what, const Product& c) {
  std::string name = std::string(what) + " T=" + std::to_string(c.tokens) + " k=" + std::to_string(c.k) + " rows";
  for (int64_t n : c.rows) name += " " + std::to_string(n);
  return name + " x:" + dtype_name(c.x) + " y:" + dtype_name(c.y) + " w:" + dtype_name(c.w) + (c.low.pages ? " lora" : "");
}

std::vector<int> outputs(Program& p, const Product& c, DType dtype) {
  std::vector<int> out;
  for (int64_t n : c.rows) out.push_back(p.output(dtype, {c.tokens, n}));
  return out;
}

void add_linear(Program& p, const Product& c, int x) {
  const std::vector<int> in = linear_inputs(p, x, c.tokens, c.k, c.rows, c.w, c.low, c.shift);
  p.node(Op::lora_linear, in, outputs(p, c, c.y), {integer(static_cast<int>(c.rows.size())), integer(c.low.page_rank), type(c.y)});
}

enum class Norm { Plain, Residual };

int add_norm(Program& p, const Product& c, Norm norm, bool kept = false) {
  const int x = p.floats(c.x, {c.tokens, c.k}, c.shift), residual = norm == Norm::Residual ? p.floats(F, {c.tokens, c.k}, c.shift) : -1, gain = p.floats(c.x, {c.k}, c.shift);
  const int y = p.output(c.y, {c.tokens, c.k}, kept), h = norm == Norm::Residual ? p.output(F, {c.tokens, c.k}) : -1;
  p.node(Op::rms_norm, {x, residual, gain}, {y, h}, {real(1e-6f), type(c.y)});
  return y;
}

const std::vector<Product>& products() {
  static const std::vector<Product> list = {
      {1, 64, {48}, H, H, H},
      {1, 520, {33, 7, 70}, H, H, H},
      {2, 513, {24, 5}, F, F, F},
      {3, 1030, {17}, F, H, H},
      {5, 2100, {9}, H, F, H},
      {7, 40, {16, 16, 16}, F, F, H, {2, 3, true}},
      {8, 31, {5, 8, 40}, H, H, H, {3, 1, false}},
      {9, 72, {20, 4}, H, H, H, {2, 16, false}},
      {9, 100, {35}, F, F, F, {3, 5, true}},
      {11, 36, {8, 3, 8}, F, F, F, {2, 4, false}},
      {17, 24, {50}, F, F, H},
      {33, 96, {40, 90}, H, H, H, {2, 8, true}},
      {64, 30, {70, 3}, F, H, H},
      {16, 64, {24}, H, H, H, {}, 1},
      {4, 48, {24, 6}, F, F, F, {2, 4, true}, 1},
      {1, 8, {16400}, H, H, H},
  };
  return list;
}

void normed_linears() {
  int i = 0;
  for (const Product& c : products()) {
    Program p;
    const Norm norm = i++ % 3 == 2 ? Norm::Plain : Norm::Residual;
    add_linear(p, c, add_norm(p, c, norm));
    check(named("normed", c), p, {1, 1});
  }
}

void activated_linears() {
  int kind = 0;
  for (const Product& c : products()) {
    Program p;
    const int a = p.floats(c.x, {c.tokens, c.k}, c.shift, 3), y = p.output(c.y, {c.tokens, c.k}, false);
    if (++kind % 3) p.node(Op::gated_activation, {a, p.floats(c.y, {c.tokens, c.k}, c.shift)}, {y}, {integer(kind % 4), type(c.y)});
    else p.node(Op::activation, {a}, {y}, {integer(kind % 4), type(c.y)});
    add_linear(p, c, y);
    check(named("activated", c), p, {1, 1});
  }
}

// What must not be fused, or not in one launch.
void separate() {
  const Product c{3, 40, {24}, F, F, F};
  {
    Program p;  // the intermediate is fetched
    add_linear(p, c, add_norm(p, c, Norm::Residual, true));
    check("kept intermediate", p, {0, 1}, false);
  }
  {
    Program p;  // or has a second reader
    const int y = add_norm(p, c, Norm::Residual);
    add_linear(p, c, y);
    p.node(Op::scale, {y}, {p.output(F, {c.tokens, c.k})}, {real(2), type(F)});
    check("second reader", p, {0, 1, 2}, false);
  }
  {
    Program p;  // or is looked at through a view
    const int y = add_norm(p, c, Norm::Residual), seen = p.output(F, {c.k, c.tokens}, false);
    p.values[seen].in_place_of = y;
    add_linear(p, c, y);
    p.node(Op::reshape, {y}, {seen}, {});
    p.node(Op::scale, {seen}, {p.output(F, {c.k, c.tokens})}, {real(2), type(F)});
    check("view of the intermediate", p, {0, 1, 2, 3}, false);
  }
  {
    Program p;  // the product lies where the norm's input did
    add_linear(p, {3, 24, {24}, F, F, F}, add_norm(p, {3, 24, {24}, F, F, F}, Norm::Residual));
    p.values.back().in_place_of = 0;
    p.values[0].written = true;
    check("reused memory", p, {1, 1}, false);
  }
  {
    Program p;  // more tokens than the kernels of few take
    const Product many{65, 16, {8}, F, F, F};
    add_linear(p, many, add_norm(p, many, Norm::Residual));
    check("many tokens", p, {0, 1}, false);
  }
  {
    Program p;  // bf16 into f32 weights is converted on the way
    const Product mixed{3, 16, {8}, F, H, F};
    add_linear(p, mixed, add_norm(p, mixed, Norm::Residual));
    check("converted input", p, {0, 1}, false);
  }
  {
    Program p;  // two chains, the second reads what the first leaves
    add_linear(p, c, add_norm(p, c, Norm::Residual));
    const int first = static_cast<int>(p.values.size()) - 1;
    const int y = p.output(F, {c.tokens, 24}, false);
    p.node(Op::activation, {first}, {y}, {integer(0), type(F)});
    add_linear(p, {3, 24, {10}, F, F, F}, y);
    check("two chains", p, {1, 1, 3, 3});
  }
}

struct Step {
  int rows, heads, head_dim, cache_len, cache_rows;
  std::vector<int> lengths;
  DType x, k, v;
  enum { Own, Others } ancestors = Own;
  int prefix = 0;
  bool flag = false;
  bool same_length = true;
};

void appended_attentions() {
  const std::vector<Step> steps = {
      {1, 2, 8, 20, 1, {7}, F, F, F},
      {3, 2, 64, 40, 3, {1, 40, 0}, H, H, H},
      {2, 1, 5, 20, 4, {9, 3}, F, H, H},
      {4, 3, 72, 33, 4, {33, 2, 17, 8}, H, H, H, Step::Others},
      {3, 2, 16, 30, 3, {30, 30, 30}, F, H, H, Step::Others, 5},
      {2, 1, 300, 12, 2, {12, 5}, F, F, F},
      {2, 2, 8, 700, 2, {700, 300}, H, H, H},
      {1, 1, 264, 600, 1, {520}, F, F, F, Step::Own, 3},
      {3, 1, 8, 600, 3, {600, 257, 1}, F, F, H, Step::Others, 4},
      {3, 1, 8, 10, 2, {4, 5, 6}, F, F, F, Step::Own, 0, true},
      {2, 1, 8, 10, 2, {4, 11}, F, F, F, Step::Own, 0, true},
      {2, 1, 8, 10, 2, {4, 5}, F, F, F, Step::Own, 0, false, false},
  };
  int i = 0;
  for (const Step& s : steps) {
    Program p;
    const int64_t width = int64_t{s.heads} * s.head_dim;
    const auto lengths = [&] { return p.integers({s.rows}, [&](int64_t r) { return s.lengths[r]; }); };
    const int length = lengths(), other = s.same_length ? length : lengths();
    const int cache_k = p.floats(s.k, {int64_t{s.cache_len} * s.cache_rows, width}), cache_v = p.floats(s.v, {int64_t{s.cache_len} * s.cache_rows, width});
    p.values[cache_k].written = p.values[cache_v].written = true;
    p.node(Op::kv_append, {cache_k, p.floats(s.x, {s.rows, width}, i % 2), length}, {}, {integer(s.cache_len)});
    p.node(Op::kv_append, {cache_v, p.floats(s.x, {s.rows, width}), other}, {}, {integer(s.cache_len)});
    std::vector<int> in = {p.floats(s.x, {s.rows, width}), cache_k, cache_v, length};
    in.push_back(s.ancestors == Step::Own ? -1 : p.integers({s.rows, s.cache_len}, [&](int64_t n) { return static_cast<int>((n / s.cache_len + n % 3) % s.rows); }));
    in.push_back(p.floats(F, {16, s.heads}));
    if (s.prefix) {
      in.push_back(p.integers({s.rows}, [](int64_t r) { return static_cast<int>(r % 2); }));
      for (int n = 0; n < 2; ++n) in.push_back(p.floats(s.k, {2 * 3, width}));
      in.push_back(p.integers({2, 3}, [](int64_t n) { return n < 3 ? static_cast<int>(n) % 2 : 1; }));
      in.push_back(p.integers({2}, [&](int64_t n) { return n ? 1 : s.prefix; }));
      in.push_back(p.floats(F, {2, s.heads}));
    } else {
      in.insert(in.end(), 6, -1);
    }
    p.node(Op::prefix_attention_decode, in, {p.output(s.x, {s.rows, width})}, {integer(s.heads), integer(s.cache_len), integer(20), integer(s.prefix ? 3 : 1), integer(i % 2), type(s.x)});
    const bool joined = s.same_length && s.k == s.v;
    check("appended " + std::to_string(i++), p, joined ? std::vector<int32_t>{2, 2, 2} : std::vector<int32_t>{0, 1, 2}, joined, s.flag);
  }
}

int main_of(int argc, char** argv) {
  std::string library, schedules = "greedy";
  for (int i = 1; i + 1 < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--library") library = argv[++i];
    else if (word == "--schedules") schedules = argv[++i];
    else if (word == "--only") only = argv[++i];
  }
  if (library.empty()) library = std::string(argv[0]).substr(0, std::string(argv[0]).rfind('/') + 1) + "hypertune_cuda_emulated.so";
  void* so = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto open = so ? reinterpret_cast<HtOpenBackend>(dlsym(so, HT_OPEN_BACKEND)) : nullptr;
  backend = open ? open(HT_BACKEND_VERSION) : nullptr;
  if (!backend) {
    std::printf("%s is not a backend of this version\n", library.c_str());
    return 2;
  }
  must(backend->probe(backend->self));
  const auto schedule_count = reinterpret_cast<int (*)()>(dlsym(so, "ht_emulator_schedule_count"));
  const auto set_schedule = reinterpret_cast<const char* (*)(int)>(dlsym(so, "ht_emulator_set_schedule"));
  const int all = schedule_count ? schedule_count() : 1;
  const int begin = schedules == "last" ? all - 1 : 0, end = schedules == "first" ? 1 : schedules == "greedy" ? std::min(3, all) : all;
  for (int s = begin; s < end; ++s) {
    schedule = set_schedule ? set_schedule(s) : "device";
    normed_linears();
    activated_linears();
    separate();
    appended_attentions();
  }
  return report("fuse_test");
}

}  // namespace
}  // namespace ht

int main(int argc, char** argv) { return ht::main_of(argc, argv); }
