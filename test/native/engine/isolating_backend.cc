#include "isolating_backend.h"

#include <cstring>
#include <memory>
#include <vector>

#include "core/ops.gen.h"
#include "engine/host_backend.h"

namespace ht::fuzz {
namespace {

// Operands with the same place and size share a copy, as they share memory.
class Copies {
 public:
  Tensor of(const Tensor& t) {
    if (!t) return t;
    Tensor copy = t;
    copy.cache = nullptr;
    for (const Block& b : blocks_)
      if (b.original == t.data && b.bytes == t.bytes()) {
        copy.data = b.memory.get();
        return copy;
      }
    blocks_.push_back({t.data, t.bytes(), std::unique_ptr<char[]>(new char[t.bytes()])});
    if (t.bytes()) std::memcpy(blocks_.back().memory.get(), t.data, t.bytes());
    copy.data = blocks_.back().memory.get();
    return copy;
  }
  void give_back(const Tensor& original, const Tensor& copy) {
    if (original && original.bytes()) std::memcpy(original.data, copy.data, original.bytes());
  }

 private:
  struct Block {
    const void* original;
    size_t bytes;
    std::unique_ptr<char[]> memory;
  };
  std::vector<Block> blocks_;
};

void run_isolated(const HtNode& node, Kernel kernel) {
  const OpSchema& schema = op_schema(node.op);
  size_t inputs = 0, outputs = 0;
  const auto count = [&](const List<OperandSchema>& list) {
    size_t total = 0;
    for (const OperandSchema& o : list) total += o.repeat ? static_cast<size_t>(node.call.attr[0].i) : 1;  // n stands first
    return total;
  };
  inputs = count(schema.inputs);
  outputs = count(schema.outputs);
  Copies copies;
  std::vector<Tensor> in, out;
  for (size_t i = 0; i < inputs; ++i) in.push_back(copies.of(node.call.in[i]));
  for (size_t i = 0; i < outputs; ++i) out.push_back(copies.of(node.call.out[i]));
  Call call = node.call;
  call.in = in.data();
  call.out = out.data();
  kernel(call);
  for (size_t i = 0; i < schema.inputs.size(); ++i)
    if (schema.inputs[i].writes) copies.give_back(node.call.in[i], in[i]);
  for (size_t i = 0; i < outputs; ++i) copies.give_back(node.call.out[i], out[i]);
}

HtStatus bind(void*, void*, const HtProgram* program, void** bound) {
  *bound = const_cast<HtNode*>(program->nodes);
  return 0;
}
void unbind(void*, void*) {}

template <bool reference>
HtStatus run(void*, void* bound, int32_t first, int32_t last) {
  const HtNode* nodes = static_cast<const HtNode*>(bound);
  for (int32_t i = first; i < last; ++i) {
    const OpKernels& kernels = kOpKernels[nodes[i].op];
    const Kernel kernel = kernels.cpu && !reference ? kernels.cpu : kernels.reference;
    if (kernel) run_isolated(nodes[i], kernel);
  }
  return 0;
}

HtBackend over(const HtBackend& host, HtStatus (*run)(void*, void*, int32_t, int32_t)) {
  HtBackend b = host;
  b.bind = bind;
  b.unbind = unbind;
  b.run = run;
  return b;
}

}  // namespace

HtBackend* isolating_backend(bool reference) {
  static HtBackend cpu = over(*cpu_backend(), run<false>), ref = over(*reference_backend(), run<true>);
  return reference ? &ref : &cpu;
}

}  // namespace ht::fuzz
