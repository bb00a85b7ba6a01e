// One arena for everything a program computes, planned at capacity: first fit in the order of the nodes, storage returned
// after its last reader. Feeds keep their places for the whole run, fetched values to its end.
#include <map>

#include "core/error.h"
#include "core/ops.gen.h"
#include "engine/program.h"

namespace ht {
namespace {

constexpr int64_t kAlign = 64;

class FreeList {
 public:
  int64_t take(int64_t bytes) {
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second < bytes) continue;
      const int64_t at = it->first, rest = it->second - bytes;
      free_.erase(it);
      if (rest) free_[at + bytes] = rest;
      return at;
    }
    // The last hole may touch the end: grow it rather than open a new one.
    if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == end_) {
      const int64_t at = free_.rbegin()->first;
      free_.erase(std::prev(free_.end()));
      end_ = at + bytes;
      return at;
    }
    end_ += bytes;
    return end_ - bytes;
  }
  void give(int64_t at, int64_t bytes) {
    auto next = free_.lower_bound(at);
    if (next != free_.end() && at + bytes == next->first) {
      bytes += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      auto before = std::prev(next);
      if (before->first + before->second == at) {
        before->second += bytes;
        return;
      }
    }
    free_[at] = bytes;
  }
  int64_t end() const { return end_; }

 private:
  std::map<int64_t, int64_t> free_;
  int64_t end_ = 0;
};

}  // namespace

void plan_arena(Program& p, bool widen_floats, const std::vector<int32_t>& until) {
  const int32_t never = static_cast<int32_t>(p.nodes.size());
  std::vector<int32_t> last(p.values.size(), -1);
  for (int32_t n = 0; n < never; ++n)
    for (const auto* list : {&p.nodes[n].in, &p.nodes[n].out})
      for (int32_t v : *list)
        if (v >= 0) last[p.root(v)] = until.empty() ? n : until[n];
  for (int32_t v : p.fetches) last[p.root(v)] = never;
  if (p.stop >= 0) last[p.root(p.stop)] = never;

  auto bytes_of = [&](const Value& v) {
    const int64_t size = dtype_is_float(v.dtype) && widen_floats ? 8 : static_cast<int64_t>(dtype_size(v.dtype));
    return (v.extent(p.capacity.data()) * size + kAlign - 1) / kAlign * kAlign;
  };
  std::vector<std::vector<int32_t>> done(p.nodes.size());  // values by the node after which nobody reads them
  for (size_t v = 0; v < last.size(); ++v)
    if (last[v] >= 0 && last[v] < never && p.values[v].kind == ValueKind::Computed) done[last[v]].push_back(static_cast<int32_t>(v));
  FreeList memory;
  for (int32_t v : p.feeds) p.values[v].offset = memory.take(bytes_of(p.values[v]));
  for (int32_t n = 0; n < never; ++n) {
    const Node& node = p.nodes[n];
    for (int32_t v : node.out)
      if (v >= 0 && p.values[v].parent < 0) p.values[v].offset = memory.take(bytes_of(p.values[v]));
    if (p.keep_all) continue;
    for (int32_t v : done[n]) memory.give(p.values[v].offset, bytes_of(p.values[v]));
  }
  p.arena_bytes = memory.end();
}

}  // namespace ht
