// The data of a case. Every element is a function of (seed, operand, repetition, element) through Philox and exact
// arithmetic only, so that test/ops/draw.ts gives the same bits.
#pragma once
#include <algorithm>

#include "core/rng.h"
#include "run.h"

namespace ht::cases {

using Draws = std::map<std::string, std::map<std::string, Draw>>;  // op -> operand -> distribution (test/ops/draws.txt)

inline uint32_t name_tag(const std::string& name) {  // FNV-1a
  uint32_t h = 2166136261u;
  for (unsigned char ch : name) h = (h ^ ch) * 16777619u;
  return h;
}

inline double rounded(double x, DType dtype) {
  if (dtype == DType::F32) return static_cast<float>(x);
  if (dtype == DType::BF16) return bf16_to_float(float_to_bf16(static_cast<float>(x)));
  return x;
}

class Drawer {
 public:
  Drawer(const Bound& bound, const Draws& draws) : b_(bound), draws_(draws) {
    seed_ = static_cast<uint32_t>(parse_number(b_.source->get("seed", "0")));
  }

  std::vector<Values> inputs() {
    std::vector<Values> all;
    for (const Slot& slot : b_.in) all.push_back(slot.present ? values(slot) : Values());
    return all;
  }

 private:
  Philox4 bits(const Slot& slot, int64_t element) const {
    const uint32_t rep = static_cast<uint32_t>(slot.rep + 1);
    return philox4x32({{static_cast<uint32_t>(element), name_tag(slot.schema->name), rep, 0}}, {seed_, 0});
  }
  static double fraction(uint32_t word) { return word / 4294967296.0; }
  double arg(const Draw& d, size_t i) const {
    if (i >= d.args.size()) fail(d.kind + " needs more arguments");
    return parse_number(d.args[i]);
  }

  const Draw* distribution(const Slot& slot) const {
    const auto own = find_repetition(b_.source->draws, slot.schema->name, slot.rep);
    if (own != b_.source->draws.end()) return &own->second;
    const auto table = draws_.find(b_.source->op);
    if (table == draws_.end()) return nullptr;
    const auto found = table->second.find(slot.schema->name);
    return found == table->second.end() ? nullptr : &found->second;
  }

  Values values(const Slot& slot) {
    const Draw* d = distribution(slot);
    if (d && d->kind == "forward") return forward(slot, *d);
    if (!d && slot.schema->role == kOffsets) return offsets(slot);
    Values out(slot.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = rounded(element(slot, d, static_cast<int64_t>(i)), slot.dtype);
    return out;
  }

  double element(const Slot& slot, const Draw* d, int64_t i) const {
    const Philox4 w = bits(slot, i);
    if (!d && slot.schema->role == kIndex) {
      int64_t hi = 0;
      for (const DimPattern& term : slot.schema->bound) hi += bound_term(term, slot.rep);
      if (hi <= slot.schema->index_lo) fail("no index fits " + slot.label());
      return integer(slot.schema->index_lo, static_cast<double>(hi), w);
    }
    if (!d && slot.dtype == DType::I8) return integer(-127, 128, w);
    if (!d) return slot.dtype == DType::I32 ? integer(0, 1000, w) : normal(w);
    if (d->kind == "normal") return normal(w) * arg(*d, 0) / (d->args.size() > 1 ? std::sqrt(static_cast<double>(dim_named(b_, d->args[1], slot.rep))) : 1.0);
    if (d->kind == "uniform") return arg(*d, 0) + (arg(*d, 1) - arg(*d, 0)) * fraction(w.word[0]);
    if (d->kind == "integer") return integer(arg(*d, 0), arg(*d, 1), w);
    if (d->kind == "list") return arg(*d, static_cast<size_t>(i) % d->args.size());
    fail("no distribution '" + d->kind + "'");
  }

  // A term of an index bound that belongs to an absent operand counts nothing: V+P without a prompt.
  int64_t bound_term(const DimPattern& term, int rep) const {
    const bool optional_name = *term.name && !b_.dims.count(term.name) && std::string(term.name).find("_i") == std::string::npos;
    return optional_name ? term.add : dim_value(b_, term, rep);
  }

  // Sum of four uniform 16-bit numbers, centred and scaled to variance 1: close to normal, and exact in any language.
  static double normal(const Philox4& w) {
    const uint32_t sum = (w.word[0] & 0xffff) + (w.word[0] >> 16) + (w.word[1] & 0xffff) + (w.word[1] >> 16);
    return (static_cast<double>(sum) - 131070.0) / 37837.0;
  }
  static double integer(double lo, double hi, const Philox4& w) { return lo + std::floor((hi - lo) * fraction(w.word[0])); }

  // Ascending cuts of [0, total]; about every fourth row is empty.
  Values offsets(const Slot& slot) const {
    const int64_t total = dim_value(b_, slot.schema->bound[0], slot.rep);
    Values out(slot.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = integer(0, static_cast<double>(total) + 1, bits(slot, static_cast<int64_t>(i)));
    if (out.empty()) fail("no room for " + slot.label());
    out.front() = 0;
    out.back() = static_cast<double>(total);
    std::sort(out.begin(), out.end());
    for (size_t i = 1; i + 1 < out.size(); ++i)
      if (bits(slot, static_cast<int64_t>(i)).word[1] % 4 == 0) out[i] = out[i - 1];
    return out;
  }

  // What the forward op gives for the same dimensions and the same operands, in fp64, rounded to the storage type.
  Values forward(const Slot& slot, const Draw& d) {
    if (!forward_) {
      forward_case_ = *b_.source;
      forward_case_.op = d.args.at(0);
      const auto table = draws_.find(b_.source->op);
      if (table != draws_.end()) forward_case_.draws.insert(table->second.begin(), table->second.end());
      for (const OperandSchema& o : op_schema(find_op(forward_case_.op)).outputs) forward_case_.present.insert(o.name);
      const Bound bound = bind_case(forward_case_);
      forward_ = std::make_unique<Result>(run_kernel(bound, kOpKernels[bound.op].reference, Drawer(bound, draws_).inputs(), true));
    }
    for (size_t i = 0; i < forward_->names.size(); ++i) {
      if (forward_->names[i] != slot.label()) continue;
      Values out = forward_->written[i].values();
      for (double& x : out) x = rounded(x, slot.dtype);
      return out;
    }
    fail("the forward op has no output " + slot.label());
  }

  const Bound& b_;
  const Draws& draws_;
  uint32_t seed_;
  Case forward_case_;
  std::unique_ptr<Result> forward_;
};

}  // namespace ht::cases
