#include "inputs.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace ht::fuzz {
namespace {

HostArray host_array(DType dtype, int64_t elements, Random& r) {
  HostArray a{dtype == DType::BF16 ? DType::F32 : dtype == DType::I8 ? DType::I32 : dtype, {}};
  a.bytes.resize(static_cast<size_t>(elements) * dtype_size(a.dtype));
  for (int64_t i = 0; i < elements; ++i) {
    const int32_t whole = static_cast<int32_t>(r.below(3));
    const float part = r.uniform();
    std::memcpy(a.bytes.data() + i * 4, a.dtype == DType::I32 ? static_cast<const void*>(&whole) : &part, 4);
  }
  return a;
}

// Element of the root's storage where a view begins.
int64_t first_element(const Program& p, int32_t value, const int32_t* symbols) {
  int64_t at = 0;
  for (; p.values[value].parent >= 0; value = p.values[value].parent) at += p.values[value].part * p.values[value].elements(symbols);
  return at;
}

// Integers that `check` accepts, where there are any.
void satisfy(const Program& p, const IndexCheck& check, const std::vector<int32_t>& symbols, HostArray& into, Random& r) {
  int64_t hi = 0;
  for (const Dim& d : check.hi) hi += d.at(symbols.data());
  hi = std::min<int64_t>(hi, INT32_MAX);
  const int64_t count = p.values[check.value].elements(symbols.data()), first = first_element(p, check.value, symbols.data());
  std::vector<int32_t> x(static_cast<size_t>(count));
  for (int32_t& i : x) i = static_cast<int32_t>(check.offsets ? r.below(hi + 1) : check.lo + r.below(hi - check.lo));
  if (check.offsets) {
    std::sort(x.begin(), x.end());
    if (count) x.front() = 0;
    if (count) x.back() = static_cast<int32_t>(hi);
  }
  if (count) std::memcpy(into.bytes.data() + first * 4, x.data(), x.size() * 4);
}

void satisfy_all(const Program& p, ValueKind kind, int32_t index, const std::vector<int32_t>& symbols, HostArray& into, Random& r) {
  for (const IndexCheck& check : p.checks) {
    const Value& root = p.values[p.root(check.value)];
    if (root.kind == kind && root.index == index) satisfy(p, check, symbols, into, r);
  }
}

}  // namespace

std::vector<int32_t> draw_symbols(const Program& p, Random& r) {
  std::vector<int32_t> symbols;
  for (int32_t capacity : p.capacity) {
    const bool full = r.chance(0.4);
    symbols.push_back(full ? capacity : static_cast<int32_t>(r.below(int64_t{capacity} + 1)));
  }
  return symbols;
}

std::vector<HostArray> draw_feeds(const Program& p, const std::vector<int32_t>& symbols, Random& r) {
  std::vector<HostArray> feeds;
  for (size_t f = 0; f < p.feeds.size(); ++f) {
    const Value& v = p.values[p.feeds[f]];
    feeds.push_back(host_array(v.dtype, v.elements(symbols.data()), r));
    if (v.dtype == DType::I32) satisfy_all(p, ValueKind::Feed, static_cast<int32_t>(f), symbols, feeds.back(), r);
  }
  return feeds;
}

HostArray draw_buffer(const Program& p, const std::vector<int32_t>& symbols, int32_t index, const BufferSpec& spec, Random& r) {
  HostArray content = host_array(spec.dtype, spec.elements, r);
  if (spec.dtype == DType::I32) satisfy_all(p, ValueKind::Buffer, index, symbols, content, r);
  return content;
}

void spoil(std::vector<int32_t>& symbols, std::vector<HostArray>& feeds, Random& r) {
  if (r.chance(0.1) && !symbols.empty()) symbols[r.below(static_cast<int64_t>(symbols.size()))] = static_cast<int32_t>(r.next());
  if (r.chance(0.05)) symbols.push_back(0);
  if (r.chance(0.05)) feeds.push_back({DType::F32, {}});
  if (feeds.empty()) return;
  HostArray& feed = feeds[r.below(static_cast<int64_t>(feeds.size()))];
  const int64_t elements = static_cast<int64_t>(feed.bytes.size() / 4);
  switch (r.below(4)) {
    case 0: feed.bytes.resize(static_cast<size_t>(r.below(elements + 3)) * 4); return;
    case 1: feed.dtype = feed.dtype == DType::I32 ? DType::F32 : DType::I32; return;
    default: break;
  }
  if (!elements) return;
  static const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 3e38f};
  const int32_t wrong = r.chance(0.5) ? static_cast<int32_t>(r.next()) : static_cast<int32_t>(r.below(20)) - 3;
  const float* number = &odd[r.below(4)];
  std::memcpy(feed.bytes.data() + r.below(elements) * 4, feed.dtype == DType::I32 ? static_cast<const void*>(&wrong) : number, 4);
}

}  // namespace ht::fuzz
