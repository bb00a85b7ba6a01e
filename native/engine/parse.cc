// Words -> Program: structure only. What an op demands of its operands is check.cc's part.
#include <algorithm>

#include "core/error.h"
#include "core/ops.gen.h"
#include "engine/program.h"

namespace ht {
namespace {

[[noreturn]] void refuse(const std::string& field, const std::string& message) {
  throw Error("GRAPH_INVALID", field, message);
}

class Reader {
 public:
  Reader(const int32_t* words, int64_t count) : words_(words), count_(count) {}
  int32_t next(const char* what) {
    if (at_ >= count_) refuse(what, "the command buffer ends early");
    return words_[at_++];
  }
  int32_t ranged(const char* what, int64_t lo, int64_t hi) {
    const int32_t x = next(what);
    if (x < lo || x >= hi) refuse(what, format("%d is outside [%lld, %lld)", x, static_cast<long long>(lo), static_cast<long long>(hi)));
    return x;
  }
  int64_t left() const { return count_ - at_; }

 private:
  const int32_t* words_;
  int64_t count_, at_ = 0;
};

constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int64_t kMaxEmpty = int64_t{1} << 20;  // extent of a value without elements, which no buffer's size bounds

Dim read_dim(Reader& in, int32_t symbols) {
  Dim d;
  d.coef = in.ranged("dimension coefficient", 0, int64_t{1} << 31);
  d.symbol = in.ranged("dimension symbol", -1, symbols);
  d.add = in.ranged("dimension addend", 0, int64_t{1} << 31);
  if ((d.symbol < 0) != (d.coef == 0)) refuse("dimension", "a constant has no symbol, and a symbol has a coefficient");
  return d;
}

Value read_value(Reader& in, int32_t symbols, const std::vector<int32_t>& capacity, size_t buffers) {
  Value v;
  v.kind = static_cast<ValueKind>(in.ranged("value kind", 0, 3));
  v.dtype = static_cast<DType>(in.ranged("value dtype", 0, kDTypeCount));
  if (v.dtype == DType::F64) refuse("value dtype", "f64 is no type of a program");
  v.rank = in.ranged("value rank", 0, kMaxRank + 1);
  if (v.dtype == DType::I8 && v.kind != ValueKind::Buffer) refuse("value dtype", "i8 is a type of buffers only");
  const int64_t limit = v.kind == ValueKind::Buffer ? static_cast<int64_t>(buffers) : kMaxValues;
  v.index = in.ranged("value index", v.kind == ValueKind::Computed ? -1 : 0, v.kind == ValueKind::Computed ? 0 : limit);
  for (Dim& d : v.dim) d = read_dim(in, symbols);
  int64_t extent = 1;
  for (int i = 0; i < v.rank; ++i) {
    const int64_t n = std::max<int64_t>(v.dim[i].at(capacity.data()), 1);
    if (n > kMaxElements || extent > kMaxElements / n) refuse("value", "more than 2^40 elements at capacity");
    extent *= n;
  }
  return v;
}

Node read_node(Reader& in, int32_t values) {
  Node node;
  node.op = in.ranged("op", 0, kOpCount);
  node.stable_id = in.next("stable id");
  const int32_t inputs = in.ranged("input count", 0, kMaxOperands);
  const int32_t outputs = in.ranged("output count", 0, kMaxOperands);
  const int32_t attrs = in.ranged("attribute count", 0, 65);
  if (inputs + int64_t{outputs} + attrs > in.left()) refuse("node", "the command buffer ends early");
  for (int32_t i = 0; i < inputs; ++i) node.in.push_back(in.ranged("input", -1, values));
  for (int32_t i = 0; i < outputs; ++i) node.out.push_back(in.ranged("output", -1, values));
  for (int32_t i = 0; i < attrs; ++i) {
    Attr a;
    a.i = in.next("attribute");
    node.attr.push_back(a);
  }
  return node;
}

void check_feeds(Program& p) {
  int32_t feeds = 0;
  for (const Value& v : p.values) feeds += v.kind == ValueKind::Feed;
  p.feeds.assign(feeds, -1);
  for (size_t i = 0; i < p.values.size(); ++i) {
    const Value& v = p.values[i];
    if (v.kind != ValueKind::Feed) continue;
    if (v.index >= feeds || p.feeds[v.index] >= 0) refuse("feed", format("feed %d is declared twice or leaves a gap", v.index));
    p.feeds[v.index] = static_cast<int32_t>(i);
  }
}

void check_buffers(const Program& p, const std::vector<BufferSpec>& buffers) {
  for (const Value& v : p.values) {
    if (v.kind != ValueKind::Buffer) continue;
    const BufferSpec& b = buffers[v.index];
    if (b.dtype != v.dtype) refuse("buffer", format("buffer %d holds %s, the program reads %s", v.index, dtype_name(b.dtype), dtype_name(v.dtype)));
    const int64_t need = v.elements(p.capacity.data());
    if (need > b.elements) refuse("buffer", format("buffer %d has %lld elements, the program reads %lld", v.index, static_cast<long long>(b.elements), static_cast<long long>(need)));
    if (v.extent(p.capacity.data()) > std::max(b.elements, kMaxEmpty)) refuse("buffer", format("buffer %d: an empty value's other dimensions are too large", v.index));
  }
}

// Every computed value is produced once, before its first reader.
void check_order(const Program& p) {
  std::vector<bool> ready(p.values.size());
  for (size_t i = 0; i < ready.size(); ++i) ready[i] = p.values[i].kind != ValueKind::Computed;
  for (size_t n = 0; n < p.nodes.size(); ++n) {
    for (int32_t v : p.nodes[n].in)
      if (v >= 0 && !ready[v]) refuse(node_label(p, n), format("reads value %d before it is computed", v));
    for (int32_t v : p.nodes[n].out) {
      if (v < 0) continue;
      if (ready[v]) refuse(node_label(p, n), format("writes value %d, which exists already", v));
      ready[v] = true;
    }
  }
  for (int32_t v : p.fetches)
    if (!ready[v]) refuse("fetch", format("value %d is never computed", v));
  if (p.stop >= 0) {
    const Value& v = p.values[p.stop];
    const bool fixed = std::all_of(v.dim, v.dim + v.rank, [](const Dim& d) { return d == Dim{0, -1, 1}; });
    if (!ready[p.stop] || v.dtype != DType::I32 || !fixed) refuse("stop", "the stop value is a computed i32 [1]");
  }
}

}  // namespace

std::string node_label(const Program& p, int32_t node) {
  return format("node %d (%s)", node, op_schema(p.nodes[node].op).name);
}

Program parse_program(const int32_t* words, int64_t count, const std::vector<BufferSpec>& buffers) {
  Reader in(words, count);
  if (in.next("magic") != kMagic) refuse("magic", "not a command buffer");
  if (in.next("version") != kOpTableVersion) refuse("version", "written for another op table");
  const int32_t symbols = in.ranged("symbol count", 0, kMaxSymbols + 1);
  const int32_t values = in.ranged("value count", 0, kMaxValues + 1);
  const int32_t nodes = in.ranged("node count", 0, kMaxNodes + 1);
  const int32_t fetches = in.ranged("fetch count", 0, kMaxValues + 1);
  Program p;
  p.stop = in.ranged("stop value", -1, values);
  p.keep_all = in.ranged("keep all", 0, 2) != 0;
  if (in.next("total words") != count) refuse("total words", "does not match the length of the command buffer");
  for (int i = 9; i < kHeaderWords; ++i) in.ranged("reserved", 0, 1);
  if (int64_t{symbols} + int64_t{values} * kValueWords + int64_t{nodes} * kNodeWords + fetches > in.left()) refuse("total words", "the command buffer ends early");

  for (int32_t i = 0; i < symbols; ++i) p.capacity.push_back(in.ranged("symbol capacity", 0, int64_t{1} << 31));
  for (int32_t i = 0; i < values; ++i) p.values.push_back(read_value(in, symbols, p.capacity, buffers.size()));
  for (int32_t i = 0; i < nodes; ++i) p.nodes.push_back(read_node(in, values));
  for (int32_t i = 0; i < fetches; ++i) p.fetches.push_back(in.ranged("fetch", 0, values));
  if (in.left() != 0) refuse("total words", "words are left over");

  check_feeds(p);
  check_buffers(p, buffers);
  check_order(p);
  check_nodes(p, buffers);
  return p;
}

}  // namespace ht
