// A case with the op table applied: which operands there are, with their types and shapes.
#pragma once
#include <cmath>
#include <limits>

#include "case.h"
#include "core/ops.gen.h"

namespace ht::cases {

struct Slot {
  const OperandSchema* schema = nullptr;
  int rep = -1;  // of a repeated operand
  bool present = false;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;

  std::string label() const { return schema->name + (rep < 0 ? "" : "_" + std::to_string(rep)); }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
};

struct Bound {
  const Case* source = nullptr;
  int op = -1;
  const OpSchema* schema = nullptr;
  std::map<std::string, std::string> dims;  // the case's keys, completed by the table's rules
  std::vector<Attr> attr;
  std::vector<Slot> in, out;
};

[[noreturn]] inline void fail(const std::string& message) { throw std::runtime_error(message); }

inline double parse_number(const std::string& text) {
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf" || text == "-inf") return text == "inf" ? HUGE_VAL : -HUGE_VAL;
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  if (text.empty() || used != text.size()) fail("number '" + text + "'");
  return value;
}

inline DType parse_dtype(const std::string& text) {
  for (DType t : {DType::F32, DType::BF16, DType::I32, DType::I8})
    if (text == dtype_name(t)) return t;
  fail("dtype '" + text + "'");
}

inline int find_op(const std::string& name) {
  for (int id = 0; id < kOpCount; ++id)
    if (name == op_schema(id).name) return id;
  fail("no op '" + name + "'");
}

inline std::vector<Attr> bind_attrs(const Case& c, const OpSchema& schema) {
  std::vector<Attr> attrs;
  for (const AttrSchema& a : schema.attrs) {
    Attr value{};
    const bool given = c.has(a.name);
    if (a.type == kFloat) value.f = given ? static_cast<float>(parse_number(c.get(a.name, ""))) : 0.0f;
    else if (a.type == kDTypeAttr) value.i = static_cast<int32_t>(parse_dtype(c.get(a.name, "f32")));
    else value.i = given ? static_cast<int32_t>(parse_number(c.get(a.name, ""))) : a.lo;
    attrs.push_back(value);
  }
  return attrs;
}

inline int64_t attr_value(const Bound& b, const std::string& name) {
  for (size_t i = 0; i < b.schema->attrs.size(); ++i)
    if (name == b.schema->attrs[i].name) return b.attr[i].i;
  fail("no attribute '" + name + "'");
}

inline int64_t dim_named(const Bound& b, const std::string& name, int rep) {
  const bool repeated = name.size() > 2 && name.compare(name.size() - 2, 2, "_i") == 0;
  const std::string base = repeated ? name.substr(0, name.size() - 2) : name;
  const auto found = repeated ? find_repetition(b.dims, base, rep) : b.dims.find(base);
  if (found == b.dims.end()) fail("dimension " + name + " is not given");
  return static_cast<int64_t>(parse_number(found->second));
}

inline int64_t dim_value(const Bound& b, const DimPattern& d, int rep) {
  if (!*d.name) return d.add;
  const std::string mul = d.mul;
  const int64_t factor = std::isdigit(static_cast<unsigned char>(mul[0])) ? std::stoll(mul) : attr_value(b, mul);
  return factor * dim_named(b, d.name, rep) + d.add;
}

// `shape=3x7`, for operands whose shape the table leaves open.
inline std::vector<int64_t> open_shape(const Bound& b, int rep) {
  const auto found = find_repetition(b.dims, "shape", rep);
  if (found == b.dims.end()) fail("shape is not given");
  std::vector<int64_t> shape;
  std::stringstream parts(found->second);
  for (std::string part; std::getline(parts, part, 'x');) shape.push_back(static_cast<int64_t>(parse_number(part)));
  return shape;
}

inline const Slot& slot_named(const Bound& b, const std::string& name, int rep) {
  for (const auto* list : {&b.in, &b.out})
    for (const Slot& s : *list)
      if (name == s.schema->name && (s.rep < 0 || s.rep == rep)) return s;
  fail("no operand '" + name + "'");
}

inline Slot bind_slot(const Bound& b, const OperandSchema& o, int rep) {
  const Case& c = *b.source;
  Slot slot;
  slot.schema = &o;
  slot.rep = rep;
  const auto override_dtype = find_repetition(c.dtypes, o.name, rep);
  slot.present = !o.optional || override_dtype != c.dtypes.end() || c.present.count(o.name) ||
                 (rep >= 0 && c.present.count(o.name + std::string("_") + std::to_string(rep)));
  if (override_dtype != c.dtypes.end()) slot.dtype = parse_dtype(override_dtype->second);
  else if (o.dtype == kI32) slot.dtype = DType::I32;
  else if (o.dtype == kLike) slot.dtype = slot_named(b, o.dtype_like, rep).dtype;
  else if (o.dtype == kAttrDType) slot.dtype = static_cast<DType>(attr_value(b, "dtype"));
  if (!slot.present) return slot;
  if (o.shape == kShapeDims)
    for (const DimPattern& d : o.dims) slot.shape.push_back(dim_value(b, d, rep));
  else
    slot.shape = o.shape == kShapeLike ? slot_named(b, o.shape_like, rep).shape : open_shape(b, rep);
  return slot;
}

inline void bind_side(Bound& b, const List<OperandSchema>& operands, std::vector<Slot>& slots) {
  int repetitions = 0;
  for (const OperandSchema& o : operands) {
    if (o.repeat) repetitions = static_cast<int>(attr_value(b, "n"));
    else slots.push_back(bind_slot(b, o, -1));
  }
  for (int rep = 0; rep < repetitions; ++rep)
    for (const OperandSchema& o : operands)
      if (o.repeat) slots.push_back(bind_slot(b, o, rep));
}

// A dimension that the table ties to another one while an operand is absent need not be given.
inline void complete_dims(Bound& b) {
  for (const OpRule& rule : b.schema->rules) {
    if (rule.kind != kAbsentEqual || b.source->present.count(rule.operand)) continue;
    const bool has_a = b.dims.count(rule.a), has_b = b.dims.count(rule.b);
    if (has_a && !has_b) b.dims[rule.b] = b.dims[rule.a];
    if (has_b && !has_a) b.dims[rule.a] = b.dims[rule.b];
  }
}

inline void reject_unknown_words(const Bound& b) {
  static const std::set<std::string> general = {"seed", "tol", "flag", "shape"};
  std::string known = " ";
  for (const auto* side : {&b.schema->inputs, &b.schema->outputs})
    for (const OperandSchema& o : *side) {
      known += std::string(o.name) + " ";
      for (const DimPattern& d : o.dims) known += std::string(d.name) + " ";
      for (const DimPattern& d : o.bound) known += std::string(d.name) + " ";
    }
  for (const AttrSchema& a : b.schema->attrs) known += std::string(a.name) + " ";
  const auto check = [&](const std::string& word) {
    const std::string base = word.substr(0, word.find_last_of('_') == std::string::npos ? word.size() : word.find_last_of('_'));
    for (const std::string& candidate : {word, word + "_i", base, base + "_i"})
      if (known.find(" " + candidate + " ") != std::string::npos || general.count(candidate)) return;
    fail("'" + word + "' is neither an operand, a dimension nor an attribute of " + b.schema->name);
  };
  for (const auto& entry : b.source->keys) check(entry.first);
  for (const auto& entry : b.source->dtypes) check(entry.first);
  for (const auto& entry : b.source->draws) check(entry.first);
  for (const std::string& name : b.source->present) check(name);
}

inline Bound bind_case(const Case& c) {
  Bound b;
  b.source = &c;
  b.op = find_op(c.op);
  b.schema = &op_schema(b.op);
  b.dims = c.keys;
  b.attr = bind_attrs(c, *b.schema);
  complete_dims(b);
  bind_side(b, b.schema->inputs, b.in);
  bind_side(b, b.schema->outputs, b.out);
  return b;
}

}  // namespace ht::cases
