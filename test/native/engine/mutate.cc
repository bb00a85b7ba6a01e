#include "mutate.h"

#include <cstring>

#include "core/dtype.h"
#include "layout.h"

namespace ht::fuzz {
namespace {

int32_t any_word(Random& r) {
  static const int32_t kinds[] = {0, 1, -1, 2, 3, 7, 16, 63, 64, 256, 1024, 65536, 1 << 20, INT32_MAX, INT32_MIN, 0x7f800000, 0x7fc00000};
  switch (r.below(4)) {
    case 0: return static_cast<int32_t>(r.next());
    case 1: return static_cast<int32_t>(r.below(12));
    default: return kinds[r.below(sizeof kinds / sizeof *kinds)];
  }
}

int32_t near(int32_t x, Random& r) {
  switch (r.below(6)) {
    case 0: return static_cast<int32_t>(int64_t{x} + 1);
    case 1: return static_cast<int32_t>(int64_t{x} - 1);
    case 2: return static_cast<int32_t>(int64_t{x} * 2);
    case 3: return x / 2;
    case 4: return 0;
    default: return any_word(r);
  }
}

// Wraps: the words may hold anything by now.
void count_up(int32_t& word, int64_t by) { word = static_cast<int32_t>(int64_t{word} + by); }

using Change = void (*)(Words&, const Layout&, const Words&, Random&);

// ---- sizes ----------------------------------------------------------------------------------------------------------

void one_dimension(Words& w, const Layout& at, const Words&, Random& r) {
  if (!at.values) return;
  int32_t& word = w[at.value(r.below(at.values)) + 4 + static_cast<size_t>(r.below(12))];
  word = near(word, r);
}

// A size changes wherever it stands as a dimension: the program often stays valid, with sizes nobody chose.
void every_dimension_of_a_size(Words& w, const Layout& at, const Words&, Random& r) {
  if (!at.values) return;
  const size_t chosen = at.value(r.below(at.values)) + 4 + static_cast<size_t>(r.below(4)) * 3;
  const int32_t symbol = w[chosen + 1], from = w[chosen + 2], to = r.chance(0.8) ? static_cast<int32_t>(r.below(9)) : near(from, r);
  for (int32_t v = 0; v < at.values; ++v)
    for (size_t d = at.value(v) + 4; d < at.value(v + 1); d += 3)
      if (w[d + 1] == symbol && w[d + 2] == from && static_cast<int32_t>(d - at.value(v) - 4) / 3 < w[at.value(v) + 2]) w[d + 2] = to;
}

// A constant size becomes a symbol of the program, or a new one.
void size_to_symbol(Words& w, const Layout& at, const Words&, Random& r) {
  if (!at.values) return;
  const size_t chosen = at.value(r.below(at.values)) + 4 + static_cast<size_t>(r.below(2)) * 3;
  const int32_t from = w[chosen + 2];
  if (w[chosen + 1] >= 0) return;
  const bool added = at.symbols == 0 || r.chance(0.5);
  const int32_t symbol = added ? at.symbols : static_cast<int32_t>(r.below(at.symbols));
  for (int32_t v = 0; v < at.values; ++v)
    for (size_t d = at.value(v) + 4; d < at.value(v + 1); d += 3) {
      if (w[d + 1] >= 0 || w[d + 2] != from || static_cast<int32_t>(d - at.value(v) - 4) / 3 >= w[at.value(v) + 2]) continue;
      w[d] = 1;
      w[d + 1] = symbol;
      w[d + 2] = 0;
    }
  if (!added) return;
  w.insert(w.begin() + kHeaderWords + at.symbols, from);
  count_up(w[2], 1);
}

void capacity(Words& w, const Layout& at, const Words&, Random& r) {
  if (at.symbols) w[kHeaderWords + static_cast<size_t>(r.below(at.symbols))] = r.chance(0.7) ? static_cast<int32_t>(r.below(12)) : any_word(r);
}

// ---- values ---------------------------------------------------------------------------------------------------------

void value_head(Words& w, const Layout& at, const Words&, Random& r) {
  if (!at.values) return;
  int32_t& word = w[at.value(r.below(at.values)) + static_cast<size_t>(r.below(4))];
  word = r.chance(0.7) ? static_cast<int32_t>(r.below(5)) : near(word, r);
}

// f32 <-> bf16 of one value; the op's dtype attribute follows where there is one in its place.
void float_type(Words& w, const Layout& at, const Words&, Random& r) {
  if (!at.values) return;
  const auto v = static_cast<int32_t>(r.below(at.values));
  int32_t& dtype = w[at.value(v) + 1];
  if (dtype != 0 && dtype != 1) return;
  dtype = 1 - dtype;
  for (const NodeAt& node : at.nodes)
    for (int32_t o = 0; o < node.outputs; ++o)
      if (w[node.operands() + static_cast<size_t>(node.inputs + o)] == v && node.attrs) w[node.end() - 1] = dtype;
}

void swap_values(Words& w, const Layout& at, const Words&, Random& r) {
  if (!at.values) return;
  const auto a = at.value(r.below(at.values)), b = at.value(r.below(at.values));
  for (size_t i = 0; i < kValueWords; ++i) std::swap(w[a + i], w[b + i]);
}

// ---- nodes ----------------------------------------------------------------------------------------------------------

void operand(Words& w, const Layout& at, const Words&, Random& r) {
  if (at.nodes.empty()) return;
  const NodeAt& node = at.nodes[r.below(static_cast<int64_t>(at.nodes.size()))];
  const int32_t count = node.inputs + node.outputs;
  if (!count) return;
  int32_t& word = w[node.operands() + static_cast<size_t>(r.below(count))];
  switch (r.below(4)) {
    case 0: word = -1; break;
    case 1: std::swap(word, w[node.operands() + static_cast<size_t>(r.below(count))]); break;
    case 2: word = static_cast<int32_t>(r.below(at.values)); break;
    default: word = near(word, r);
  }
}

void attribute(Words& w, const Layout& at, const Words&, Random& r) {
  if (at.nodes.empty()) return;
  const NodeAt& node = at.nodes[r.below(static_cast<int64_t>(at.nodes.size()))];
  if (!node.attrs) return;
  int32_t& word = w[node.first_attr() + static_cast<size_t>(r.below(node.attrs))];
  if (r.chance(0.3)) {
    const float f = r.uniform() * 4;
    std::memcpy(&word, &f, 4);
  } else {
    word = r.chance(0.5) ? static_cast<int32_t>(r.below(6)) : near(word, r);
  }
}

void node_head(Words& w, const Layout& at, const Words&, Random& r) {
  if (at.nodes.empty()) return;
  int32_t& word = w[at.nodes[r.below(static_cast<int64_t>(at.nodes.size()))].at + static_cast<size_t>(r.below(kNodeWords))];
  word = r.chance(0.5) ? static_cast<int32_t>(r.below(60)) : near(word, r);
}

void remove_node(Words& w, const Layout& at, const Words&, Random& r) {
  if (at.nodes.empty()) return;
  const NodeAt& node = at.nodes[r.below(static_cast<int64_t>(at.nodes.size()))];
  w.erase(w.begin() + static_cast<int64_t>(node.at), w.begin() + static_cast<int64_t>(node.end()));
  count_up(w[4], -1);
}

// A node of this or another program once more, here; its operands are values of this program.
void splice_node(Words& w, const Layout& at, const Words& other, Random& r) {
  const bool own = r.chance(0.4);
  const Words& source = own ? w : other;
  const Layout from(source);
  if (from.nodes.empty() || !at.values) return;
  const NodeAt& node = from.nodes[r.below(static_cast<int64_t>(from.nodes.size()))];
  Words piece(source.begin() + static_cast<int64_t>(node.at), source.begin() + static_cast<int64_t>(node.end()));
  for (int32_t i = 0; !own && i < node.inputs + node.outputs; ++i) {
    int32_t& id = piece[kNodeWords + static_cast<size_t>(i)];
    if (id >= 0) id = r.chance(0.9) ? id % at.values : static_cast<int32_t>(r.below(at.values));
  }
  const size_t where = at.nodes.empty() ? at.first_fetch : at.nodes[r.below(static_cast<int64_t>(at.nodes.size()))].at;
  w.insert(w.begin() + static_cast<int64_t>(where), piece.begin(), piece.end());
  count_up(w[4], 1);
}

void swap_nodes(Words& w, const Layout& at, const Words&, Random& r) {
  if (at.nodes.size() < 2) return;
  const size_t i = static_cast<size_t>(r.below(static_cast<int64_t>(at.nodes.size()) - 1));
  std::rotate(w.begin() + static_cast<int64_t>(at.nodes[i].at), w.begin() + static_cast<int64_t>(at.nodes[i + 1].at), w.begin() + static_cast<int64_t>(at.nodes[i + 1].end()));
}

// ---- the rest -------------------------------------------------------------------------------------------------------

void fetches(Words& w, const Layout& at, const Words&, Random& r) {
  if (r.chance(0.5) && at.first_fetch < w.size()) {
    w[at.first_fetch + static_cast<size_t>(r.below(static_cast<int64_t>(w.size() - at.first_fetch)))] = static_cast<int32_t>(r.below(at.values + 1));
  } else {
    w.push_back(static_cast<int32_t>(r.below(at.values)));
    count_up(w[5], 1);
  }
}

void run_options(Words& w, const Layout& at, const Words&, Random& r) {
  if (r.chance(0.5)) w[7] = static_cast<int32_t>(r.below(2));
  else w[6] = static_cast<int32_t>(r.below(at.values + 1)) - 1;
}

void header_word(Words& w, const Layout&, const Words&, Random& r) {
  int32_t& word = w[static_cast<size_t>(r.below(kHeaderWords))];
  word = near(word, r);
}

void any_place(Words& w, const Layout&, const Words&, Random& r) {
  int32_t& word = w[static_cast<size_t>(r.below(static_cast<int64_t>(w.size())))];
  word = r.chance(0.5) ? word ^ (int32_t{1} << r.below(31)) : any_word(r);
}

void length(Words& w, const Layout&, const Words&, Random& r) {
  if (r.chance(0.7)) w.resize(static_cast<size_t>(r.below(static_cast<int64_t>(w.size()))));
  else w.insert(w.end(), static_cast<size_t>(1 + r.below(5)), any_word(r));
}

void splice_words(Words& w, const Layout&, const Words& other, Random& r) {
  const size_t to = static_cast<size_t>(r.below(static_cast<int64_t>(w.size()))), from = static_cast<size_t>(r.below(static_cast<int64_t>(other.size())));
  const size_t count = std::min({static_cast<size_t>(1 + r.below(32)), w.size() - to, other.size() - from});
  std::copy_n(other.begin() + static_cast<int64_t>(from), count, w.begin() + static_cast<int64_t>(to));
}

// More often what keeps a program close to valid.
constexpr Change kChanges[] = {every_dimension_of_a_size, every_dimension_of_a_size, every_dimension_of_a_size, size_to_symbol, size_to_symbol, one_dimension,
                               capacity, capacity, value_head, float_type, float_type, float_type, swap_values, operand, operand, operand, attribute, attribute,
                               attribute, node_head, remove_node, splice_node, splice_node, swap_nodes, fetches, fetches, run_options, header_word, any_place,
                               length, splice_words};

}  // namespace

Words mutate(const Words& words, const Words& other, Random& random) {
  Words w = words;
  for (int64_t left = 1 + random.below(2) + random.below(3); left > 0 && w.size() >= kHeaderWords; --left)
    kChanges[random.below(sizeof kChanges / sizeof *kChanges)](w, Layout(w), other, random);
  if (w.size() > 8 && random.chance(0.95)) w[8] = static_cast<int32_t>(w.size());
  return w;
}

}  // namespace ht::fuzz
