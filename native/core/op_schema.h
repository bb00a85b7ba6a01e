// The op table as data: what the validator knows of each op. Filled by core/ops.gen.h.
#pragma once
#include <cstdint>
#include <vector>

namespace ht {

// A dimension: mul * name + add. mul is an integer or an attribute's name; an empty name means the constant add.
// Names that end in _i are bound per repetition.
struct DimPattern {
  const char* mul;
  const char* name;
  int32_t add;
};

enum DTypeRule { kAnyFloat, kF32, kI32, kAny, kAttrDType, kLike };
enum ShapeRule { kShapeAny, kShapeFree, kShapeLike, kShapeDims };
enum OperandRole { kPlain, kOffsets, kIndex };
enum AttrType { kInt, kFloat, kDTypeAttr };

struct OperandSchema {
  const char* name;
  bool repeat, optional, writes;
  DTypeRule dtype;
  const char* dtype_like;
  ShapeRule shape;
  const char* shape_like;
  std::vector<DimPattern> dims;
  OperandRole role;
  int32_t index_lo;
  std::vector<DimPattern> bound;  // kOffsets: the length they cut; kIndex: terms whose sum is the exclusive upper bound
};

struct AttrSchema {
  const char* name;
  AttrType type;
  int32_t lo, hi;
};

// needs empty: where `operand` is absent, dimension a equals b. Else: where it is present, so are `needs`.
struct OpRule {
  const char *operand, *a, *b;
  std::vector<const char*> needs;
};

struct OpSchema {
  const char* name;
  bool view;
  std::vector<OperandSchema> inputs, outputs;  // single operands first, then the repeated group
  std::vector<AttrSchema> attrs;
  std::vector<OpRule> rules;
};

}  // namespace ht
