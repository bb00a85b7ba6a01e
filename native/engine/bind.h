// A program with real sizes: what the backend runs.
#pragma once
#include <memory>
#include <vector>

#include "core/backend.h"

namespace ht {

struct CompiledProgram;
struct Program;

struct Bound {
  HtBackend* backend = nullptr;
  std::vector<int32_t> symbols;
  uint64_t layout = 0;
  std::vector<Tensor> values;
  std::vector<Tensor> operands;
  std::vector<HtNode> nodes;
  void* handle = nullptr;  // the backend's
  ~Bound();
};

// Of each value: operands that read it, and one more where it outlives the run.
std::vector<int32_t> reader_counts(const Program& program);

std::unique_ptr<Bound> make_bound(CompiledProgram& compiled, const std::vector<int32_t>& symbols, char* arena, bool widen, RunFlags* flags);

}  // namespace ht
