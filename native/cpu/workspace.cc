#include "cpu/workspace.h"

#include <memory>
#include <new>
#include <vector>

namespace ht::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Free {
  void operator()(void* p) const { aligned_free64(p); }
};

struct Block {
  std::unique_ptr<void, Free> data;
  size_t bytes = 0;
};

struct Stack {
  std::vector<Block> blocks;
  size_t depth = 0;
};

thread_local Stack stack;

}  // namespace

void* aligned_alloc64(size_t bytes) { return ::operator new(bytes, kAlignment, std::nothrow); }
void aligned_free64(void* data) { ::operator delete(data, kAlignment); }

Workspace::Workspace(size_t bytes) {
  if (stack.depth == stack.blocks.size()) stack.blocks.emplace_back();
  Block& block = stack.blocks[stack.depth];
  if (block.bytes < bytes) {
    block.data.reset();
    block.bytes = 0;
    block.data.reset(aligned_alloc64(bytes));
    if (!block.data) throw std::bad_alloc();
    block.bytes = bytes;
  }
  data_ = block.data.get();
  ++stack.depth;
}

Workspace::~Workspace() { --stack.depth; }

}  // namespace ht::cpu
