// A validated program: what the words of a command buffer mean. Nothing here refers to a device.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "engine/command_buffer.h"

namespace ht {

// coef * symbol + add; a constant has symbol -1 and coef 0.
struct Dim {
  int32_t coef = 0, symbol = -1, add = 1;
  bool operator==(const Dim& o) const { return coef == o.coef && symbol == o.symbol && add == o.add; }
  bool operator!=(const Dim& o) const { return !(*this == o); }
  int64_t at(const int32_t* symbols) const { return symbol < 0 ? add : int64_t{coef} * symbols[symbol] + add; }
};

struct Value {
  ValueKind kind;
  DType dtype;
  int32_t rank;
  int32_t index;  // of the buffer or the feed
  Dim dim[kMaxRank];
  // A view shares its parent's storage, `part` times its own size further on.
  int32_t parent = -1;
  int32_t part = 0;
  // Planned place of a feed or computed root, in bytes from the start of the arena.
  int64_t offset = -1;

  int64_t elements(const int32_t* symbols) const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dim[i].at(symbols);
    return n;
  }
  // Elements, with dimensions of 0 counted as 1: kernels walk and hold the other dimensions of an empty value too.
  int64_t extent(const int32_t* symbols) const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= std::max<int64_t>(dim[i].at(symbols), 1);
    return n;
  }
};

struct Node {
  int32_t op;
  int32_t stable_id;
  std::vector<int32_t> in, out;  // value ids, -1 where absent
  std::vector<Attr> attr;
};

// An operand whose integers must lie in a range: checked before every run against the bound sizes.
struct IndexCheck {
  int32_t value;
  bool offsets;  // starts of packed rows that end at hi; else every element in [lo, hi)
  int32_t lo;
  std::vector<Dim> hi;  // summed
  int32_t node;         // for the message
  const char* operand;
};

struct BufferSpec {
  DType dtype;
  int64_t elements;
  bool frozen;
};

struct Program {
  std::vector<int32_t> capacity;  // of each symbol
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<int32_t> fetches;
  std::vector<int32_t> feeds;  // value id of each feed
  std::vector<IndexCheck> checks;
  int32_t stop = -1;
  bool keep_all = false;
  int32_t first_write = -1;      // first node that changes persistent state; node count when none does
  std::vector<int32_t> written;  // buffers that some node writes
  int64_t arena_bytes = 0;

  int32_t root(int32_t value) const {
    while (values[value].parent >= 0) value = values[value].parent;
    return value;
  }
};

// Reads and checks the words completely; throws Error GRAPH_INVALID. Buffers are those the program was compiled with.
Program parse_program(const int32_t* words, int64_t count, const std::vector<BufferSpec>& buffers);

// Shapes, types, attributes and rules of every node against the op table; fills views, checks and writes.
void check_nodes(Program& program, const std::vector<BufferSpec>& buffers);

// Gives feeds and computed values their places at capacity; storage is reused once its last reader has run.
// until[n]: the last node that may run as one with node n (core/backend.h); empty where every node runs alone.
void plan_arena(Program& program, bool widen_floats, const std::vector<int32_t>& until = {});

std::string node_label(const Program& program, int32_t node);

}  // namespace ht
