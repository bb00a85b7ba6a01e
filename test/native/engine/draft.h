// A program under construction: values and nodes in the order they are added, then the words of its command buffer.
#pragma once
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/ops.gen.h"
#include "engine/program.h"

namespace ht::fuzz {

using Shape = std::vector<Dim>;
using Ids = std::vector<int32_t>;

inline Dim n(int32_t constant) { return Dim{0, -1, constant}; }
inline Dim s(int32_t symbol, int32_t coef = 1, int32_t add = 0) { return Dim{coef, symbol, add}; }

constexpr int32_t kAbsent = -1;

// One attribute: an integer, a float or a type.
struct AttrWord {
  int32_t word;
  AttrWord(int32_t i) : word(i) {}
  AttrWord(float f) { std::memcpy(&word, &f, 4); }
  AttrWord(DType t) : word(static_cast<int32_t>(t)) {}
};

class Draft {
 public:
  explicit Draft(std::string name) : name(std::move(name)) {}

  int32_t symbol(int32_t capacity) {
    capacity_.push_back(capacity);
    return static_cast<int32_t>(capacity_.size()) - 1;
  }
  int32_t feed(DType dtype, const Shape& shape) { return value(ValueKind::Feed, dtype, shape, feeds_++); }
  int32_t buffer(DType dtype, const Shape& shape, bool frozen = false) {
    int64_t elements = 1;
    for (const Dim& d : shape) elements *= d.at(capacity_.data());
    buffers.push_back({dtype, elements, frozen});
    return value(ValueKind::Buffer, dtype, shape, static_cast<int32_t>(buffers.size()) - 1);
  }
  // The same buffer under another shape.
  int32_t again(int32_t buffer_value, const Shape& shape) {
    const Value& v = values_[buffer_value];
    return value(ValueKind::Buffer, v.dtype, shape, v.index);
  }
  // An output that a node will write.
  int32_t out(DType dtype, const Shape& shape) { return value(ValueKind::Computed, dtype, shape, -1); }

  void node(Op op, const Ids& in, const Ids& out, const std::vector<AttrWord>& attrs = {}) {
    nodes_.insert(nodes_.end(), {static_cast<int32_t>(op), 100 + node_count_, static_cast<int32_t>(in.size()), static_cast<int32_t>(out.size()), static_cast<int32_t>(attrs.size())});
    nodes_.insert(nodes_.end(), in.begin(), in.end());
    nodes_.insert(nodes_.end(), out.begin(), out.end());
    for (const AttrWord& a : attrs) nodes_.push_back(a.word);
    ++node_count_;
  }
  void fetch(const Ids& ids) { fetches_.insert(fetches_.end(), ids.begin(), ids.end()); }

  std::vector<int32_t> words() const {
    std::vector<int32_t> w = {kMagic, kOpTableVersion, static_cast<int32_t>(capacity_.size()), static_cast<int32_t>(values_.size()), node_count_,
                              static_cast<int32_t>(fetches_.size()), stop, keep_all ? 1 : 0, 0, 0, 0, 0};
    w.insert(w.end(), capacity_.begin(), capacity_.end());
    for (const Value& v : values_) {
      w.insert(w.end(), {static_cast<int32_t>(v.kind), static_cast<int32_t>(v.dtype), v.rank, v.index});
      for (const Dim& d : v.dim) w.insert(w.end(), {d.coef, d.symbol, d.add});
    }
    w.insert(w.end(), nodes_.begin(), nodes_.end());
    w.insert(w.end(), fetches_.begin(), fetches_.end());
    w[8] = static_cast<int32_t>(w.size());
    return w;
  }

  std::string name;
  std::vector<BufferSpec> buffers;
  int32_t stop = -1;
  bool keep_all = false;

 private:
  int32_t value(ValueKind kind, DType dtype, const Shape& shape, int32_t index) {
    Value v;
    v.kind = kind;
    v.dtype = dtype;
    v.rank = static_cast<int32_t>(shape.size());
    v.index = index;
    for (size_t i = 0; i < shape.size(); ++i) v.dim[i] = shape[i];
    values_.push_back(v);
    return static_cast<int32_t>(values_.size()) - 1;
  }

  std::vector<int32_t> capacity_;
  std::vector<Value> values_;
  std::vector<int32_t> nodes_, fetches_;
  int32_t feeds_ = 0, node_count_ = 0;
};

}  // namespace ht::fuzz
