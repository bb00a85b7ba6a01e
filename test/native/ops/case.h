// One case: a line of a case file. docs/ops.md describes the format.
#pragma once
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace ht::cases {

// How the elements of an operand are drawn: `gain~uniform(0.5,1.5)`.
struct Draw {
  std::string kind;
  std::vector<std::string> args;
};

struct Case {
  std::string where, text, op;
  std::map<std::string, std::string> keys;    // dimensions, attributes, shape, seed, tol, flag
  std::map<std::string, std::string> dtypes;  // operand -> storage type
  std::map<std::string, Draw> draws;          // operand -> distribution
  std::set<std::string> present;              // optional operands

  bool has(const std::string& key) const { return keys.count(key) != 0; }
  std::string get(const std::string& key, const std::string& otherwise) const {
    const auto found = keys.find(key);
    return found == keys.end() ? otherwise : found->second;
  }
};

// What stands for repetition `rep` of `name`: the entry of `name_rep` if there is one, else that of `name`.
template <class Map>
typename Map::const_iterator find_repetition(const Map& map, const std::string& name, int rep) {
  const auto exact = map.find(name + "_" + std::to_string(rep));
  return exact != map.end() ? exact : map.find(name);
}

inline Draw parse_draw(const std::string& text) {
  const size_t open = text.find('(');
  if (open == std::string::npos || text.back() != ')') throw std::runtime_error("distribution '" + text + "'");
  Draw draw{text.substr(0, open), {}};
  std::stringstream args(text.substr(open + 1, text.size() - open - 2));
  for (std::string arg; std::getline(args, arg, ',');) draw.args.push_back(arg);
  return draw;
}

// Words: `key=value`, `operand:dtype`, `operand~distribution`, or the name of an optional operand that is present.
inline Case parse_case(const std::string& text, const std::string& where) {
  Case c;
  c.text = text;
  c.where = where;
  std::stringstream words(text);
  words >> c.op;
  for (std::string word; words >> word;) {
    const size_t at = word.find_first_of("=:~");
    const std::string name = word.substr(0, at);
    if (at == std::string::npos) c.present.insert(name);
    else if (word[at] == '=') c.keys[name] = word.substr(at + 1);
    else if (word[at] == ':') c.dtypes[name] = word.substr(at + 1);
    else c.draws[name] = parse_draw(word.substr(at + 1));
  }
  return c;
}

}  // namespace ht::cases
