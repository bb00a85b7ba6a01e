// Each node against the op table (core/ops.json): operand counts, types, shapes, attributes, rules; and what follows from
// them: views, index ranges to check before a run, the first node that writes persistent state.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "core/error.h"
#include "core/int8.h"
#include "core/ops.gen.h"
#include "engine/program.h"

namespace ht {
namespace {

bool per_repetition(const std::string& name) { return name.size() > 2 && name.compare(name.size() - 2, 2, "_i") == 0; }

class NodeCheck {
 public:
  NodeCheck(Program& p, int32_t index, const std::vector<BufferSpec>& buffers)
      : p_(p), index_(index), node_(p.nodes[index]), schema_(op_schema(node_.op)), buffers_(buffers) {}

  void run() {
    attributes();
    // Integer attributes may stand for dimensions of the same name (heads, cache_len, k).
    for (size_t i = 0; i < schema_.attrs.size(); ++i)
      if (schema_.attrs[i].type == kInt) bound_[schema_.attrs[i].name] = Dim{0, -1, node_.attr[i].i};
    in_repeats_ = repeats(schema_.inputs, node_.in.size(), "inputs");
    out_repeats_ = repeats(schema_.outputs, node_.out.size(), "outputs");
    operands(schema_.inputs, node_.in, false);
    operands(schema_.outputs, node_.out, true);
    if (schema_.view) view();
    rules();
    attention();
    roles();
  }

 private:
  [[noreturn]] void refuse(const char* operand, const std::string& message) const {
    throw Error("GRAPH_INVALID", node_label(p_, index_) + (*operand ? std::string(" operand ") + operand : ""), message);
  }

  int64_t attr_value(const char* name) const {
    for (size_t i = 0; i < schema_.attrs.size(); ++i)
      if (std::string(schema_.attrs[i].name) == name) return node_.attr[i].i;
    return std::strtol(name, nullptr, 10);
  }

  void attributes() const {
    if (node_.attr.size() != schema_.attrs.size()) refuse("", format("has %zu attributes, the op table %zu", node_.attr.size(), schema_.attrs.size()));
    for (size_t i = 0; i < schema_.attrs.size(); ++i) {
      const AttrSchema& a = schema_.attrs[i];
      const Attr x = node_.attr[i];
      if (a.type == kInt && (x.i < a.lo || x.i > a.hi)) refuse(a.name, format("attribute %d is outside [%d, %d]", x.i, a.lo, a.hi));
      if (a.type == kFloat && !std::isfinite(x.f)) refuse(a.name, "attribute is not finite");
      if (a.type == kDTypeAttr && x.i != static_cast<int>(DType::F32) && x.i != static_cast<int>(DType::BF16)) refuse(a.name, format("attribute %d is no float type", x.i));
    }
  }

  // How often the repeated group occurs; attribute n says it too.
  int32_t repeats(const List<OperandSchema>& list, size_t given, const char* what) const {
    const int64_t single = std::count_if(list.begin(), list.end(), [](const OperandSchema& o) { return !o.repeat; });
    const int64_t group = static_cast<int64_t>(list.size()) - single;
    const int64_t n = group ? attr_value("n") : 0;
    if (static_cast<int64_t>(given) != single + group * n) refuse("", format("has %zu %s, the op table %lld", given, what, static_cast<long long>(single + group * n)));
    return static_cast<int32_t>(n);
  }

  static int position(const List<OperandSchema>& list, int schema, int repetition) {
    int single = 0;
    for (const OperandSchema& o : list) single += !o.repeat;
    const int group = static_cast<int>(list.size()) - single;
    return schema < single ? schema : schema + repetition * group;
  }

  int32_t repetitions(const OperandSchema& o, bool output) const { return o.repeat ? (output ? out_repeats_ : in_repeats_) : 1; }

  void operands(const List<OperandSchema>& list, const std::vector<int32_t>& ids, bool output) {
    for (size_t s = 0; s < list.size(); ++s) {
      const OperandSchema& o = list[s];
      for (int32_t r = 0; r < repetitions(o, output); ++r) {
        const int32_t id = ids[position(list, s, r)];
        if (id < 0) {
          if (!o.optional) refuse(o.name, "is missing");
          continue;
        }
        operand(o, id, r, output);
      }
    }
  }

  const Value* named(const char* name, int32_t repetition) const {
    for (const auto* pair : {&schema_.inputs, &schema_.outputs}) {
      const auto& ids = pair == &schema_.inputs ? node_.in : node_.out;
      for (size_t s = 0; s < pair->size(); ++s)
        if (std::string((*pair)[s].name) == name) {
          const int32_t id = ids[position(*pair, s, (*pair)[s].repeat ? repetition : 0)];
          return id < 0 ? nullptr : &p_.values[id];
        }
    }
    return nullptr;
  }

  void operand(const OperandSchema& o, int32_t id, int32_t repetition, bool output) {
    const Value& v = p_.values[id];
    if (output && v.kind != ValueKind::Computed) refuse(o.name, "an output is a computed value");
    dtype(o, v, repetition);
    shape(o, v, repetition);
    if (!o.writes) return;
    const Value& root = p_.values[p_.root(id)];
    if (root.kind != ValueKind::Buffer) refuse(o.name, "is written, so it must be a persistent buffer");
    if (buffers_[root.index].frozen) refuse(o.name, "is written, but the buffer is frozen");
    p_.first_write = std::min(p_.first_write, index_);
    p_.written.push_back(root.index);
  }

  void dtype(const OperandSchema& o, const Value& v, int32_t repetition) const {
    bool ok = true;
    switch (o.dtype) {
      case kAny: break;
      case kAnyFloat: ok = v.dtype == DType::F32 || v.dtype == DType::BF16; break;
      case kFloatOrI8: ok = v.dtype == DType::F32 || v.dtype == DType::BF16 || v.dtype == DType::I8; break;
      case kF32: ok = v.dtype == DType::F32; break;
      case kI32: ok = v.dtype == DType::I32; break;
      case kAttrDType: ok = static_cast<int64_t>(v.dtype) == attr_value("dtype"); break;
      case kLike: {
        const Value* like = named(o.dtype_like, repetition);
        ok = like && like->dtype == v.dtype;
        break;
      }
    }
    if (!ok) refuse(o.name, format("%s is the wrong type", dtype_name(v.dtype)));
  }

  void shape(const OperandSchema& o, const Value& v, int32_t repetition) {
    if (o.shape == kShapeAny || o.shape == kShapeFree) return;
    if (o.shape == kShapeLike) {
      const Value* like = named(o.shape_like, repetition);
      if (!like || like->rank != v.rank || !std::equal(v.dim, v.dim + v.rank, like->dim)) refuse(o.name, format("differs in shape from %s", o.shape_like));
      return;
    }
    if (v.rank != static_cast<int32_t>(o.dims.size())) refuse(o.name, format("has %d dimensions, not %zu", v.rank, o.dims.size()));
    for (int32_t i = 0; i < v.rank; ++i) unify(o, o.dims[i], v.dim[i], i, repetition);
  }

  static std::string key(const std::string& name, int32_t repetition) { return per_repetition(name) ? name + std::to_string(repetition) : name; }

  void unify(const OperandSchema& o, const DimPattern& pattern, const Dim& d, int32_t axis, int32_t repetition) {
    if (!*pattern.name) {
      if (d != Dim{0, -1, pattern.add}) refuse(o.name, format("dimension %d is not %d", axis, pattern.add));
      return;
    }
    const int64_t mul = attr_value(pattern.mul);
    const auto found = bound_.find(key(pattern.name, repetition));
    if (found != bound_.end()) {
      const Dim& b = found->second;
      if (mul * b.coef != d.coef || (d.coef && b.symbol != d.symbol) || mul * b.add + pattern.add != d.add)
        refuse(o.name, format("dimension %d disagrees with %s", axis, pattern.name));
      return;
    }
    const int64_t add = int64_t{d.add} - pattern.add;
    if (add < 0 || mul < 1 || d.coef % mul || add % mul) refuse(o.name, format("dimension %d is not %s * %s + %d", axis, pattern.mul, pattern.name, pattern.add));
    bound_[key(pattern.name, repetition)] = Dim{static_cast<int32_t>(d.coef / mul), d.symbol, static_cast<int32_t>(add / mul)};
  }

  // Number of elements as a constant and the factors that are not constant, to compare sizes without values.
  struct Count {
    int64_t constant = 1;
    std::vector<std::vector<int32_t>> factors;
    explicit Count(const Value& v) {
      for (int32_t i = 0; i < v.rank; ++i) {
        const Dim& d = v.dim[i];
        if (d.symbol < 0) constant *= d.add;
        else if (d.add == 0) { constant *= d.coef; factors.push_back({1, d.symbol, 0}); }
        else factors.push_back({d.coef, d.symbol, d.add});
      }
      std::sort(factors.begin(), factors.end());
    }
    bool operator==(const Count& o) const { return constant == o.constant && factors == o.factors; }
  };

  void view() {
    for (size_t i = 0; i < node_.out.size(); ++i) {
      Value& y = p_.values[node_.out[i]];
      y.parent = node_.in[0];
      y.part = static_cast<int32_t>(i);
    }
    if (static_cast<Op>(node_.op) == Op::reshape && !(Count(p_.values[node_.in[0]]) == Count(p_.values[node_.out[0]]))) refuse("y", "has another number of elements than x");
  }

  void rules() {
    for (const OpRule& rule : schema_.rules) {
      if (rule.kind == kAbsentEqual) {
        if (!named(rule.operand, 0)) same_size(rule);
        continue;
      }
      for (int32_t r = 0; r < std::max(1, in_repeats_); ++r) {
        if (rule.kind == kWithI8) beside_i8(rule, r);
        else if (named(rule.operand, r))
          for (const char* need : rule.needs)
            if (!named(need, r)) refuse(need, format("is missing, and %s needs it", rule.operand));
      }
    }
  }

  // Where no operand names dimension b, it gets its size here, so that a later rule can compare it. a is never optional.
  void same_size(const OpRule& rule) {
    const Dim size = bound_.at(rule.a);
    if (bound_.emplace(rule.b, size).first->second != size) refuse(rule.operand, format("is absent, so %s must equal %s", rule.a, rule.b));
  }

  // Sums of int8 products are exact in an int32 up to so many terms.
  void beside_i8(const OpRule& rule, int32_t repetition) const {
    const Value& weight = *named(rule.a, repetition);
    const bool int8 = weight.dtype == DType::I8;
    if (int8 != (named(rule.operand, repetition) != nullptr)) refuse(rule.operand, format("stands beside an i8 %s, and only there", rule.a));
    if (int8 && (weight.dim[1].symbol >= 0 || weight.dim[1].add > kMostInt8Terms)) refuse(rule.a, format("an i8 row has at most %lld elements", static_cast<long long>(kMostInt8Terms)));
  }

  // What the notation cannot say: heads divide the inner width I, and a bias table has a bucket at any size.
  void attention() const {
    const auto heads = bound_.find("heads"), inner = bound_.find("I"), buckets = bound_.find("buckets");
    if (heads == bound_.end() || inner == bound_.end()) return;
    if (inner->second.coef % heads->second.add || inner->second.add % heads->second.add) refuse("q", format("its width is not a multiple of %d heads", heads->second.add));
    if (buckets != bound_.end() && buckets->second.add < 1) refuse("bias", "may have no bucket");
  }

  Dim term(const DimPattern& t, int32_t repetition) const {
    const auto found = bound_.find(key(t.name, repetition));
    if (found == bound_.end()) return Dim{0, -1, t.add};
    const int64_t mul = attr_value(t.mul);
    const auto clamp = [](int64_t x) { return static_cast<int32_t>(std::min<int64_t>(x, INT32_MAX)); };
    return Dim{clamp(mul * found->second.coef), found->second.symbol, clamp(mul * found->second.add + t.add)};
  }

  void roles() {
    for (size_t s = 0; s < schema_.inputs.size(); ++s) {
      const OperandSchema& o = schema_.inputs[s];
      if (o.role == kPlain) continue;
      for (int32_t r = 0; r < repetitions(o, false); ++r) {
        const int32_t id = node_.in[position(schema_.inputs, s, r)];
        if (id < 0) continue;
        if (o.role == kOffsets && p_.values[p_.root(id)].kind == ValueKind::Computed) refuse(o.name, "cut rows, so they must be known before the run: a feed or a buffer");
        IndexCheck check{id, o.role == kOffsets, o.index_lo, {}, index_, o.name};
        for (const DimPattern& t : o.bound) check.hi.push_back(term(t, r));
        const bool seen = std::any_of(p_.checks.begin(), p_.checks.end(), [&](const IndexCheck& c) {
          return c.value == check.value && c.offsets == check.offsets && c.lo == check.lo && c.hi == check.hi;
        });
        if (!seen) p_.checks.push_back(check);
      }
    }
  }

  Program& p_;
  int32_t index_;
  const Node& node_;
  const OpSchema& schema_;
  const std::vector<BufferSpec>& buffers_;
  int32_t in_repeats_ = 0, out_repeats_ = 0;
  std::map<std::string, Dim> bound_;
};

// Kernels rely on offsets that cut their tokens, so what a run checked must hold to its end.
void check_offsets(const Program& p) {
  for (const IndexCheck& check : p.checks) {
    const Value& root = p.values[p.root(check.value)];
    if (check.offsets && root.kind == ValueKind::Buffer && std::binary_search(p.written.begin(), p.written.end(), root.index))
      throw Error("GRAPH_INVALID", node_label(p, check.node) + " operand " + check.operand, "are offsets that this program writes itself");
  }
}

}  // namespace

void check_nodes(Program& p, const std::vector<BufferSpec>& buffers) {
  p.first_write = static_cast<int32_t>(p.nodes.size());
  for (size_t i = 0; i < p.nodes.size(); ++i) NodeCheck(p, static_cast<int32_t>(i), buffers).run();
  std::sort(p.written.begin(), p.written.end());
  p.written.erase(std::unique(p.written.begin(), p.written.end()), p.written.end());
  check_offsets(p);
}

}  // namespace ht
