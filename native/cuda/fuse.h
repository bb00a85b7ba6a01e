// Chains of neighbouring nodes that one launch does: a step of decoding is so small that its launches are a good part of its time.
//
// A fused launch gives the bits of the single ones, so it does not matter which of them runs: a run may end inside a chain, and a chain
// whose operands overlap in memory is not fused. What a fused launch asks of the Launcher is what its last node alone asks for, in the
// same order: constants are that node's, and so is the scratch memory.
#pragma once
#include <vector>

#include "core/backend.h"
#include "core/ops.gen.h"
#include "cuda/launcher.h"

namespace ht::cuda {

// What one node leaves and a later one of the chain reads: output `from` of node `writer`, or where `state`, its input `from`, which it
// writes; input `to` of the last node.
struct Link {
  int writer;
  bool state;
  int from, to;
};

struct Fusion {
  std::vector<Op> ops;
  std::vector<Link> links;
  bool (*fits)(const HtNode* nodes);  // looks at shapes, types and attributes; the links hold
  void (*launch)(const HtNode* nodes, Launcher&);
};

struct Chain {
  int32_t first, last;
  const Fusion* fusion;
};

// In the order of the nodes, without a node in common. What links two nodes and is no state has no other reader.
std::vector<Chain> find_chains(const HtProgram& program);

// At real addresses: nothing that one node of the chain writes lies where another one reads or writes, links aside.
bool can_run_as_one(const Chain& chain, const HtNode* nodes);

// The fusions, beside the kernels of their last op.
bool fits_normed_linear(const HtNode*);
void launch_normed_linear(const HtNode*, Launcher&);
bool fits_activated_linear(const HtNode*);
void launch_activated_linear(const HtNode*, Launcher&);
bool fits_appended_attention(const HtNode*);
void launch_appended_attention(const HtNode*, Launcher&);

}  // namespace ht::cuda
