// Reads the cases of test/ops/cases and runs those asked for.
#pragma once
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "compare.h"
#include "draw.h"

namespace ht::cases {

inline std::vector<std::pair<std::string, std::string>> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) fail("cannot read " + path.string());
  std::vector<std::pair<std::string, std::string>> lines;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (!line.empty() && line[0] != '#') lines.emplace_back(line, path.filename().string() + ":" + std::to_string(number));
  }
  return lines;
}

inline Draws read_draws(const std::filesystem::path& path) {
  Draws draws;
  for (const auto& [text, where] : read_lines(path)) {
    const Case c = parse_case(text, where);
    draws[c.op] = c.draws;
  }
  return draws;
}

// Checks a case, whose result on the reference device is given.
using CheckCase = std::function<void(const Case&, const Bound&, const std::vector<Values>& inputs, const Result& want)>;

inline void run_case(const Case& c, const Draws& draws, const CheckCase& check) {
  const Bound b = bind_case(c);
  reject_unknown_words(b);
  if (b.schema->view) fail("a view has no kernel");
  const std::vector<Values> inputs = Drawer(b, draws).inputs();
  const Result want = run_kernel(b, kOpKernels[b.op].reference, inputs, true);
  check_flag(want, c, "reference");
  check(c, b, inputs, want);
}

struct Selection {
  std::string root, op, filter;
  bool list = false;
  int shard = 0, shards = 1;  // every shards-th case from `shard` on
  int smallest = 0;           // of each op only so many cases, those with the fewest elements; 0: all
};

inline Selection parse_selection(int argc, char** argv) {
  Selection s;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--list") s.list = true;
    else if (word == "--op" && i + 1 < argc) s.op = argv[++i];
    else if (word == "--filter" && i + 1 < argc) s.filter = argv[++i];
    else if (word == "--smallest" && i + 1 < argc) s.smallest = std::atoi(argv[++i]);
    else if (word == "--shard" && i + 1 < argc && std::sscanf(argv[++i], "%d/%d", &s.shard, &s.shards) == 2 && s.shards > 0) continue;
    else if (word[0] != '-') s.root = word;
    else fail("'" + word + "' is no option");
  }
  if (s.root.empty()) fail("usage: test/ops [--op NAME] [--filter TEXT] [--shard I/N] [--smallest K] [--list]");
  return s;
}

inline int64_t elements_of(const Case& c) {
  const Bound b = bind_case(c);
  int64_t n = 0;
  for (const auto* side : {&b.in, &b.out})
    for (const Slot& slot : *side) n += slot.present ? slot.size() : 0;
  return n;
}

// Exit status: 0 when something ran and nothing failed.
inline int run_cases(int argc, char** argv, const CheckCase& check) {
  const Selection chosen = parse_selection(argc, argv);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(chosen.root) / "cases"))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  const Draws draws = read_draws(std::filesystem::path(chosen.root) / "draws.txt");

  int passed = 0, failed = 0;
  const auto guarded = [&](const std::string& text, const std::string& where, const auto& f) {
    try {
      f();
    } catch (const std::exception& error) {
      ++failed;
      std::printf("FAILED %s\n  %s\n  %s\n", where.c_str(), text.c_str(), error.what());
    }
  };
  std::vector<Case> cases;
  for (const auto& file : files)
    for (const auto& [text, where] : read_lines(file))
      if (text.find(chosen.filter) != std::string::npos)
        guarded(text, where, [&, &text = text, &where = where] {
          Case c = parse_case(text, where);
          if (chosen.op.empty() || c.op == chosen.op) cases.push_back(std::move(c));
        });
  if (chosen.smallest > 0) {
    std::map<const Case*, int64_t> size;
    for (const Case& c : cases) size[&c] = elements_of(c);
    std::vector<const Case*> order;
    for (const Case& c : cases) order.push_back(&c);
    std::stable_sort(order.begin(), order.end(), [&](const Case* a, const Case* b) { return size[a] < size[b]; });
    std::map<std::string, int> taken;
    std::vector<Case> kept;
    for (const Case* c : order)
      if (size[c] > 0 && taken[c->op]++ < chosen.smallest) kept.push_back(*c);
    cases = std::move(kept);
  }
  for (size_t i = static_cast<size_t>(chosen.shard); i < cases.size(); i += static_cast<size_t>(chosen.shards)) {
    const Case& c = cases[i];
    if (chosen.list) std::printf("%s\n", c.text.c_str());
    else
      guarded(c.text, c.where, [&] {
        run_case(c, draws, check);
        ++passed;
      });
  }
  if (chosen.list) return 0;
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed ? 1 : 0;
}

}  // namespace ht::cases
