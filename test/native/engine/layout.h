// Where the parts of a command buffer lie. Of a damaged one: as far as it can be followed.
#pragma once
#include <algorithm>

#include "engine/command_buffer.h"
#include "mutate.h"

namespace ht::fuzz {

struct NodeAt {
  size_t at;  // of the op
  int32_t inputs, outputs, attrs;
  size_t operands() const { return at + kNodeWords; }
  size_t first_attr() const { return operands() + static_cast<size_t>(inputs) + static_cast<size_t>(outputs); }
  size_t end() const { return first_attr() + static_cast<size_t>(attrs); }
};

struct Layout {
  int32_t symbols = 0, values = 0;
  size_t first_value = 0, first_fetch = 0;
  std::vector<NodeAt> nodes;

  explicit Layout(const Words& w) {
    if (w.size() < kHeaderWords) return;
    const auto room = static_cast<int64_t>(w.size());
    symbols = static_cast<int32_t>(std::clamp<int64_t>(w[2], 0, room - kHeaderWords));
    first_value = static_cast<size_t>(kHeaderWords + symbols);
    values = static_cast<int32_t>(std::clamp<int64_t>(w[3], 0, (room - static_cast<int64_t>(first_value)) / kValueWords));
    size_t at = first_value + static_cast<size_t>(values) * kValueWords;
    for (int32_t i = 0; i < w[4] && at + kNodeWords <= w.size(); ++i) {
      const NodeAt node{at, w[at + 2], w[at + 3], w[at + 4]};
      if (node.inputs < 0 || node.outputs < 0 || node.attrs < 0 || int64_t{node.inputs} + node.outputs + node.attrs > room - static_cast<int64_t>(at) - kNodeWords) break;
      nodes.push_back(node);
      at = node.end();
    }
    first_fetch = at;
  }

  size_t value(int64_t i) const { return first_value + static_cast<size_t>(i) * kValueWords; }
};

}  // namespace ht::fuzz
