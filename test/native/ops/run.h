// Runs one kernel on one case.
#pragma once
#include <memory>

#include "memory.h"

namespace ht::cases {

struct Result {
  std::vector<Block> written;     // outputs, then the inputs that the op writes
  std::vector<std::string> names;
  bool bad_index = false;
};

// What a kernel left in `in` and `out`; `before` are the inputs as they were. Throws where it left an output partly unwritten,
// wrote beside one, or changed an input. Takes the written blocks.
inline Result collect(const Bound& b, std::vector<Block>& in, std::vector<Block>& out, const std::vector<Block>& before, bool bad_index) {
  Result result;
  result.bad_index = bad_index;
  for (size_t i = 0; i < out.size(); ++i) {
    const std::string name = b.out[i].label();
    if (!out[i].guards_intact()) fail("wrote beside " + name);
    const int64_t hole = out[i].first_unwritten();
    if (hole >= 0) fail("left " + name + "[" + std::to_string(hole) + "] unwritten");
    result.names.push_back(name);
    result.written.push_back(std::move(out[i]));
  }
  for (size_t i = 0; i < in.size(); ++i) {
    const std::string name = b.in[i].label();
    if (!in[i].guards_intact()) fail("wrote beside " + name);
    if (b.in[i].schema->writes) {
      result.names.push_back(name);
      result.written.push_back(std::move(in[i]));
    } else if (!in[i].same_bytes(before[i])) {
      fail("changed its input " + name);
    }
  }
  return result;
}

// `inputs` holds one entry per input slot. With `as_f64` every float is stored as double, as on the reference device.
inline Result run_kernel(const Bound& b, Kernel kernel, const std::vector<Values>& inputs, bool as_f64) {
  const auto stored = [&](const Slot& s) { return as_f64 && dtype_is_float(s.dtype) ? DType::F64 : s.dtype; };
  std::vector<Block> in, out, before;
  std::vector<Tensor> in_tensors, out_tensors;
  for (size_t i = 0; i < b.in.size(); ++i) {
    in.emplace_back(b.in[i], stored(b.in[i]), b.in[i].schema->writes);
    in.back().fill(inputs[i]);
    before.emplace_back(b.in[i], stored(b.in[i]), false);
    before.back().fill(inputs[i]);
    in_tensors.push_back(in.back().tensor());
  }
  for (const Slot& slot : b.out) {
    out.emplace_back(slot, stored(slot), true);
    out.back().poison();
    out_tensors.push_back(out.back().tensor());
  }
  RunFlags flags;
  Call call{in_tensors.data(), out_tensors.data(), b.attr.data(), &flags};
  kernel(call);

  return collect(b, in, out, before, flags.bad_index.load() != 0);
}

}  // namespace ht::cases
