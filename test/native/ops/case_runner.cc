// Runs the cases of test/ops/cases without Node: every kernel against the reference in fp64.
//   case_runner test/ops [--op NAME] [--filter TEXT] [--list]
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cpu/isa.h"
#include "cpu/threads.h"
#include "draw.h"

namespace ht::cases {
namespace {

// Largest difference allowed, as a part of the largest magnitude of the reference. fp32: 2^-24 per rounding, sums of some
// hundred terms in fp32, with room for their order. bf16: half a unit in the last place is 2^-9, and one more rounding of
// an intermediate may move a result to the next number, 2^-8.
double tolerance(DType dtype) { return dtype == DType::BF16 ? 1e-2 : 1e-5; }

std::vector<std::pair<std::string, std::string>> read_lines(const std::filesystem::path& path) {
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

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", x);
  return text;
}

void compare(const Result& got, const Result& want, const Case& c, const std::string& kernel) {
  for (size_t k = 0; k < want.written.size(); ++k) {
    const Values a = got.written[k].values(), b = want.written[k].values();
    const DType dtype = got.written[k].tensor().dtype;
    double largest = 0;
    for (double x : b) largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : largest;
    const double tol = c.has("tol") ? parse_number(c.get("tol", "")) : tolerance(dtype);
    const double limit = dtype == DType::I32 ? 0 : tol * largest;
    for (size_t i = 0; i < b.size(); ++i) {
      const bool special = !std::isfinite(a[i]) || !std::isfinite(b[i]);
      const bool equal = special ? a[i] == b[i] || (a[i] != a[i] && b[i] != b[i]) : std::fabs(a[i] - b[i]) <= limit;
      if (!equal)
        fail(kernel + ": " + want.names[k] + "[" + std::to_string(i) + "] is " + number(a[i]) + ", should be " + number(b[i]) +
             " (limit " + number(limit) + ")");
    }
  }
}

void check_flag(const Result& got, const Case& c, const std::string& kernel) {
  const bool expected = c.get("flag", "0") == "1";
  if (got.bad_index != expected) fail(kernel + (expected ? ": a bad index was not flagged" : ": flagged a good index"));
}

void run_cpu(const Bound& b, const std::vector<Values>& inputs, const Result& want) {
  const int threads = cpu::thread_count();
  const cpu::Isa isa_before = cpu::active_isa();
  for (cpu::Isa isa : cpu::available_isas()) {
    cpu::set_isa(isa);
    const std::string kernel = std::string("cpu ") + cpu::isa_name(isa);
    cpu::set_thread_count(1);
    const Result one = run_kernel(b, kOpKernels[b.op].cpu, inputs, false);
    compare(one, want, *b.source, kernel);
    check_flag(one, *b.source, kernel);
    cpu::set_thread_count(2);
    const Result two = run_kernel(b, kOpKernels[b.op].cpu, inputs, false);
    for (size_t k = 0; k < one.written.size(); ++k)
      if (!one.written[k].same_bytes(two.written[k])) fail(kernel + ": " + one.names[k] + " depends on the thread count");
  }
  cpu::set_isa(isa_before);
  cpu::set_thread_count(threads);
}

void run_case(const Case& c, const Draws& draws) {
  const Bound b = bind_case(c);
  reject_unknown_words(b);
  if (b.schema->view) fail("a view has no kernel");
  const std::vector<Values> inputs = Drawer(b, draws).inputs();
  const Kernel reference = kOpKernels[b.op].reference;
  const Result want = run_kernel(b, reference, inputs, true);
  check_flag(want, c, "reference");
  compare(run_kernel(b, reference, inputs, false), want, c, "reference at storage types");
  if (kOpKernels[b.op].cpu) run_cpu(b, inputs, want);
}

Draws read_draws(const std::filesystem::path& path) {
  Draws draws;
  for (const auto& [text, where] : read_lines(path)) {
    const Case c = parse_case(text, where);
    draws[c.op] = c.draws;
  }
  return draws;
}

int main_of(int argc, char** argv) {
  std::string root, op, filter;
  bool list = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--list") list = true;
    else if (word == "--op" && i + 1 < argc) op = argv[++i];
    else if (word == "--filter" && i + 1 < argc) filter = argv[++i];
    else root = word;
  }
  if (root.empty()) {
    std::fprintf(stderr, "usage: case_runner test/ops [--op NAME] [--filter TEXT] [--list]\n");
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(root) / "cases"))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  const Draws draws = read_draws(std::filesystem::path(root) / "draws.txt");

  int passed = 0, failed = 0;
  for (const auto& file : files) {
    for (const auto& [text, where] : read_lines(file)) {
      if (text.find(filter) == std::string::npos) continue;
      try {
        const Case c = parse_case(text, where);
        if (!op.empty() && c.op != op) continue;
        if (list) {
          std::printf("%s\n", text.c_str());
          continue;
        }
        run_case(c, draws);
        ++passed;
      } catch (const std::exception& error) {
        ++failed;
        std::printf("FAILED %s\n  %s\n  %s\n", where.c_str(), text.c_str(), error.what());
      }
    }
  }
  if (list) return 0;
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed ? 1 : 0;
}

}  // namespace
}  // namespace ht::cases

int main(int argc, char** argv) {
  try {
    return ht::cases::main_of(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "case_runner: %s\n", error.what());
    return 2;
  }
}
