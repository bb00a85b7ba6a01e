#include "cuda/fuse.h"

#include <algorithm>

namespace ht::cuda {
namespace {

using Norm = op::rms_norm;
using Linear = op::lora_linear;
using Append = op::kv_append;
using Attention = op::prefix_attention_decode;

const std::vector<Fusion>& fusions() {
  static const std::vector<Fusion> table = {
      {{Op::rms_norm, Op::lora_linear}, {{0, false, Norm::o_y, Linear::x}}, fits_normed_linear, launch_normed_linear},
      {{Op::gated_activation, Op::lora_linear}, {{0, false, op::gated_activation::o_y, Linear::x}}, fits_activated_linear, launch_activated_linear},
      {{Op::activation, Op::lora_linear}, {{0, false, op::activation::o_y, Linear::x}}, fits_activated_linear, launch_activated_linear},
      {{Op::kv_append, Op::kv_append, Op::prefix_attention_decode},
       {{0, true, Append::cache, Attention::k}, {1, true, Append::cache, Attention::v}},
       fits_appended_attention,
       launch_appended_attention},
  };
  return table;
}

bool matches(const Fusion& fusion, const HtProgram& program, int32_t first) {
  const int32_t count = static_cast<int32_t>(fusion.ops.size());
  if (first + count > program.node_count) return false;
  const HtNode* const nodes = program.nodes + first;
  for (int32_t i = 0; i < count; ++i)
    if (nodes[i].op != static_cast<int32_t>(fusion.ops[i]) || !nodes[i].in_value) return false;
  for (const Link& link : fusion.links) {
    const HtNode& writer = nodes[link.writer];
    const int32_t value = (link.state ? writer.in_value : writer.out_value)[link.from];
    if (nodes[count - 1].in_value[link.to] != value || (!link.state && program.readers[value] != 1)) return false;
  }
  return fusion.fits(nodes);
}

bool overlap(const Tensor& a, const Tensor& b) {
  const char *const x = static_cast<const char*>(a.data), *const y = static_cast<const char*>(b.data);
  return a && b && x < y + b.bytes() && y < x + a.bytes();
}

bool writes_input(const HtNode& node, int input) {
  const auto& inputs = op_schema(node.op).inputs;
  return input < static_cast<int>(inputs.size()) && inputs[input].writes;  // single operands stand first, and only they are written
}

}  // namespace

std::vector<Chain> find_chains(const HtProgram& program) {
  std::vector<Chain> chains;
  for (int32_t i = 0; i < program.node_count; ++i)
    for (const Fusion& fusion : fusions()) {
      if (!matches(fusion, program, i)) continue;
      chains.push_back({i, i + static_cast<int32_t>(fusion.ops.size()) - 1, &fusion});
      i = chains.back().last;
      break;
    }
  return chains;
}

bool can_run_as_one(const Chain& chain, const HtNode* nodes) {
  const int32_t count = chain.last - chain.first + 1;
  const auto linked = [&](int writer, bool state, int from, int reader, int to) {
    if (reader != count - 1) return false;
    return std::any_of(chain.fusion->links.begin(), chain.fusion->links.end(),
                       [&](const Link& l) { return l.writer == writer && l.state == state && l.from == from && l.to == to; });
  };
  for (int i = 0; i < count; ++i) {
    const HtNode& writer = nodes[chain.first + i];
    const auto alone = [&](const Tensor& written, bool state, int from) {
      for (int j = 0; j < count; ++j) {
        if (j == i) continue;
        const HtNode& other = nodes[chain.first + j];
        for (int k = 0; k < other.in_count; ++k)
          if (overlap(written, other.call.in[k]) && !linked(i, state, from, j, k)) return false;
        for (int k = 0; k < other.out_count; ++k)
          if (overlap(written, other.call.out[k])) return false;
      }
      return true;
    };
    for (int k = 0; k < writer.out_count; ++k)
      if (!alone(writer.call.out[k], false, k)) return false;
    for (int k = 0; k < writer.in_count; ++k)
      if (writes_input(writer, k) && !alone(writer.call.in[k], true, k)) return false;
  }
  return true;
}

}  // namespace ht::cuda
