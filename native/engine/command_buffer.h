// The command buffer: a program as int32 words, written by lib/graph/words.ts and validated here before anything is planned.
//
//   header   12 words  magic, op table version, symbols, values, nodes, fetches, stop value or -1, keep all (0 or 1), total words, 0, 0, 0
//   symbols  1 word    capacity of each symbol
//   values   16 words  kind, dtype, rank, index, then four dimensions of (coefficient, symbol or -1, addend)
//                      kind 0: persistent buffer, index into the list given to compile; 1: feed, index is its position; 2: computed, index -1
//   nodes    5 words   op, stable id, inputs, outputs, attributes; then value ids of inputs and outputs (-1: absent), then attributes
//                      (floats as their bits). Operands in the order of the op table: single ones, then each repetition's group.
//   fetches  1 word    value ids
//
// A dimension is coefficient * symbol + addend; symbol -1 means the constant addend with coefficient 0.
// `stop value` names an i32 [1] value: a repeated run ends after the step in which it is not 0.
// `keep all` gives every computed value its own place, so that any of them can be fetched (diff).
#pragma once
#include <cstdint>

namespace ht {

constexpr int32_t kMagic = 0x48545031;  // "HTP1"
constexpr int kHeaderWords = 12;
constexpr int kValueWords = 16;
constexpr int kNodeWords = 5;

constexpr int32_t kMaxSymbols = 256;
constexpr int32_t kMaxValues = 1 << 20;
constexpr int32_t kMaxNodes = 1 << 20;
constexpr int32_t kMaxOperands = 1 << 17;

enum class ValueKind : int32_t { Buffer = 0, Feed = 1, Computed = 2 };

}  // namespace ht
