#include "cuda/graph_cache.h"

namespace ht::cuda {

GraphCache::~GraphCache() {
  for (const Entry& e : entries_) cudaGraphExecDestroy(e.exec);
}

cudaGraphExec_t GraphCache::find(const void* program, int32_t first, int32_t last) {
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->program != program || it->first != first || it->last != last) continue;
    entries_.splice(entries_.begin(), entries_, it);
    return it->exec;
  }
  return nullptr;
}

void GraphCache::keep(const void* program, int32_t first, int32_t last, cudaGraphExec_t exec) {
  if (entries_.size() == kept_) {
    cudaGraphExecDestroy(entries_.back().exec);
    entries_.pop_back();
  }
  entries_.push_front({program, first, last, exec});
}

void GraphCache::drop(const void* program) {
  entries_.remove_if([&](const Entry& e) {
    if (e.program != program) return false;
    cudaGraphExecDestroy(e.exec);
    return true;
  });
}

}  // namespace ht::cuda
