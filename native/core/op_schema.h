// The op table as data: what the validator knows of each op. Filled by core/ops.gen.h.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ht {

// A constant array: the table costs nothing to build, at compile time or at start.
template <class T>
struct List {
  const T* items = nullptr;
  size_t count = 0;
  constexpr List() = default;
  template <size_t N>
  constexpr List(const T (&array)[N]) : items(array), count(N) {}
  const T* begin() const { return items; }
  const T* end() const { return items + count; }
  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  const T& operator[](size_t i) const { return items[i]; }
};

// A dimension: mul * name + add. mul is an integer or an attribute's name; an empty name means the constant add.
// Names that end in _i are bound per repetition.
struct DimPattern {
  const char* mul;
  const char* name;
  int32_t add;
};

enum DTypeRule { kAnyFloat, kFloatOrI8, kF32, kI32, kAny, kAttrDType, kLike };
enum ShapeRule { kShapeAny, kShapeFree, kShapeLike, kShapeDims };
enum OperandRole { kPlain, kOffsets, kIndex };
enum AttrType { kInt, kFloat, kDTypeAttr };
enum RuleKind { kAbsentEqual, kNeeds, kWithI8 };

struct OperandSchema {
  const char* name;
  bool repeat, optional, writes;
  DTypeRule dtype;
  const char* dtype_like;
  ShapeRule shape;
  const char* shape_like;
  List<DimPattern> dims;
  OperandRole role;
  int32_t index_lo;
  List<DimPattern> bound;  // kOffsets: the length they cut; kIndex: terms whose sum is the exclusive upper bound
};

struct AttrSchema {
  const char* name;
  AttrType type;
  int32_t lo, hi;
};

// kAbsentEqual: where `operand` is absent, dimension a equals b. kNeeds: where it is present, so are `needs`. kWithI8: it is
// present where operand a is i8, and only there.
struct OpRule {
  RuleKind kind;
  const char *operand, *a, *b;
  List<const char*> needs;
};

struct OpSchema {
  const char* name;
  bool view;
  List<OperandSchema> inputs, outputs;  // single operands first, then the repeated group
  List<AttrSchema> attrs;
  List<OpRule> rules;
};

}  // namespace ht
