// Symbols -> addresses and sizes: O(values) plain arithmetic, cached for the bindings a program uses most.
#include "engine/bind.h"

#include <algorithm>

#include "core/error.h"
#include "core/ops.gen.h"
#include "engine/engine.h"

namespace ht {

CompiledProgram::CompiledProgram() = default;
CompiledProgram::~CompiledProgram() {
  bindings.clear();
  if (backend && plan) backend->drop(backend->self, plan);
}

Bound::~Bound() {
  if (handle) backend->unbind(backend->self, handle);
}

void lay_out(const CompiledProgram& compiled, const int32_t* symbols, char* arena, bool widen, std::vector<Tensor>& out) {
  const Program& p = compiled.program;
  out.assign(p.values.size(), Tensor{});
  auto place = [&](size_t i) {
    const Value& v = p.values[i];
    Tensor& t = out[i];
    t.dtype = widen && dtype_is_float(v.dtype) ? DType::F64 : v.dtype;
    t.rank = v.rank;
    for (int32_t k = 0; k < v.rank; ++k) t.dim[k] = v.dim[k].at(symbols);
    if (!arena) return;  // sizes only: addresses belong to the engine's thread
    if (v.parent >= 0) {
      t.data = static_cast<char*>(out[v.parent].data) + v.part * t.bytes();
      t.cache = nullptr;
    } else if (v.kind == ValueKind::Buffer) {
      Buffer& b = *compiled.buffers[v.index];
      t.data = b.storage->data;
      t.cache = b.frozen ? &b.storage->cache : nullptr;
    } else if (v.offset >= 0) {
      t.data = arena + v.offset;
    }
  };
  for (size_t i = 0; i < p.values.size(); ++i)
    if (p.values[i].parent < 0) place(i);
  // Views in the order of their nodes: a parent is placed before its child.
  for (const Node& node : p.nodes)
    for (int32_t v : node.out)
      if (v >= 0 && p.values[v].parent >= 0) place(v);
}

std::vector<int32_t> reader_counts(const Program& p) {
  std::vector<int32_t> readers(p.values.size(), p.keep_all ? 1 : 0);
  for (const Node& n : p.nodes)
    for (int32_t v : n.in)
      if (v >= 0) ++readers[v];
  for (int32_t v : p.fetches) ++readers[v];
  if (p.stop >= 0) ++readers[p.stop];
  return readers;
}

std::unique_ptr<Bound> make_bound(CompiledProgram& compiled, const std::vector<int32_t>& symbols, char* arena, bool widen, RunFlags* flags) {
  const Program& p = compiled.program;
  auto bound = std::make_unique<Bound>();
  bound->backend = compiled.backend;
  bound->symbols = symbols;
  lay_out(compiled, symbols.data(), arena, widen, bound->values);
  size_t operands = 0;
  for (const Node& n : p.nodes) operands += n.in.size() + n.out.size();
  bound->operands.reserve(operands);
  auto gather = [&](const std::vector<int32_t>& ids) {
    Tensor* first = bound->operands.data() + bound->operands.size();
    for (int32_t id : ids) bound->operands.push_back(id < 0 ? Tensor{} : bound->values[id]);
    return first;
  };
  for (const Node& n : p.nodes) {
    HtNode node{};
    node.op = n.op;
    node.stable_id = n.stable_id;
    node.call.in = gather(n.in);
    node.call.out = gather(n.out);
    node.call.attr = n.attr.data();
    node.call.flags = flags;
    node.in_count = static_cast<int32_t>(n.in.size());
    node.out_count = static_cast<int32_t>(n.out.size());
    node.in_value = n.in.data();
    node.out_value = n.out.data();
    bound->nodes.push_back(node);
  }
  return bound;
}

}  // namespace ht
