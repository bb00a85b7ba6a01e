// Times ops on a device behind the backend table, as the engine runs them: programs of one node, replayed from a graph.
//   device_bench --library PATH SHAPES [--filter TEXT] [--runs N]
// SHAPES: a file of cases in the notation of docs/ops.md, or - for standard input, line by line. One line of JSON per case: median seconds of a run, the bytes that have
// to move (every operand once), the floating-point operations, and the rates that follow. Inputs are random, never zeros. Runs are
// timed in batches between two synchronisations, so that what is measured is the device and not the call.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>

#include "ops/cases_of.h"
#include "core/backend.h"

namespace ht::cases {
namespace {

// Operations of the products in an op; 0 where only bytes count.
double flops(const Bound& b) {
  const std::string op = b.schema->name;
  const auto dim = [&](const char* name) { return static_cast<double>(dim_named(b, name, 0)); };
  const auto product_sum = [&](const std::vector<Slot>& slots, const char* weight, double tokens) {
    double sum = 0;
    for (const Slot& s : slots)
      if (s.present && s.schema->name == std::string(weight)) sum += 2 * tokens * static_cast<double>(s.size());
    return sum;
  };
  if (op == "lora_linear" || op == "lora_linear_dx") return product_sum(b.in, "w", dim("T"));
  if (op == "linear_dw") return 2 * dim("T") * dim("in") * dim("out");
  if (op == "cross_entropy") return product_sum(b.in, "w", dim("T"));
  if (op == "cross_entropy_grad") return 2 * product_sum(b.in, "w", dim("T"));
  if (op == "hyper_heads") return product_sum(b.in, "w1", dim("N")) + product_sum(b.in, "w2", dim("N"));
  return 0;
}

double bytes(const Bound& b) {
  double sum = 0;
  for (const auto* side : {&b.in, &b.out})
    for (const Slot& s : *side)
      if (s.present) sum += static_cast<double>(s.size()) * static_cast<double>(dtype_size(s.dtype)) * (s.schema->writes ? 2 : 1);
  return sum;
}

// A case in device memory, ready to be run again and again.
class Timed {
 public:
  Timed(HtBackend& table, std::string text, const std::string& where) : t_(table), case_(parse_case(std::move(text), where)), bound_case_(bind_case(case_)) {
    const Bound& b = bound_case_;
    reject_unknown_words(b);
    const std::vector<Values> inputs = Drawer(b, {}).inputs();
    for (size_t i = 0; i < b.in.size(); ++i) place(b.in[i], &inputs[i]);
    for (const Slot& slot : b.out) place(slot, nullptr);
    node_ = HtNode{b.op, 0, Call{tensors_.data(), tensors_.data() + b.in.size(), b.attr.data(), &flags_}};
    size_t workspace = 0;
    check(t_.prepare(t_.self, &program_, &plan_, &workspace));
    check(t_.alloc(t_.self, std::max<size_t>(workspace, 1), &program_.workspace));
    check(t_.bind(t_.self, plan_, &program_, &bound_));
    run(3);  // eager, captured, replayed
  }
  Timed(const Timed&) = delete;
  ~Timed() {
    if (bound_) t_.unbind(t_.self, bound_);
    if (plan_) t_.drop(t_.self, plan_);
    if (program_.workspace) t_.release(t_.self, program_.workspace);
    for (void* at : memory_) t_.release(t_.self, at);
  }

  void print(int runs) {
    const int batch = std::clamp(static_cast<int>(2e-3 / run(3)), 1, 200);
    std::vector<double> seconds;
    for (int i = 0; i < runs; ++i) seconds.push_back(run(batch));
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2], moved = bytes(bound_case_), products = flops(bound_case_);
    std::printf("{\"case\": \"%s\", \"seconds\": %.4g, \"fastest\": %.4g, \"bytes\": %.0f, \"flops\": %.0f, \"GBps\": %.1f, \"TFLOPs\": %.3f}\n", case_.text.c_str(), median, seconds.front(), moved, products,
                moved / median * 1e-9, products / median * 1e-12);
    std::fflush(stdout);
  }
  const std::string& text() const { return case_.text; }

 private:
  void check(HtStatus status) const {
    if (status != HT_OK) fail(t_.last_error(t_.self));
  }
  void place(const Slot& slot, const Values* values) {
    Block host(slot, slot.dtype, false);
    Tensor tensor = host.tensor();
    if (tensor) {
      if (values) host.fill(*values);
      void* at = nullptr;
      check(t_.alloc(t_.self, std::max<size_t>(tensor.bytes(), 1), &at));
      memory_.push_back(at);
      if (values) check(t_.copy(t_.self, at, host.raw(), tensor.bytes(), 0));
      check(t_.sync(t_.self));
      tensor.data = at;
    }
    tensors_.push_back(tensor);
  }
  double run(int times) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) check(t_.run(t_.self, bound_, 0, 1));
    check(t_.sync(t_.self));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / times;
  }

  HtBackend& t_;
  Case case_;
  Bound bound_case_;
  std::vector<Tensor> tensors_;
  std::vector<void*> memory_;
  RunFlags flags_;
  HtNode node_{};
  HtProgram program_{sizeof(HtProgram), 1, &node_, nullptr};
  void *plan_ = nullptr, *bound_ = nullptr;
};

// The case of one line; a case that is asked for again is still there.
bool time_line(HtBackend& table, std::unique_ptr<Timed>& last, const std::string& text, const std::string& where, int runs) {
  try {
    if (!last || last->text() != text) {
      last.reset();
      last = std::make_unique<Timed>(table, text, where);
    }
    last->print(runs);
    return true;
  } catch (const std::exception& error) {
    last.reset();
    std::printf("{\"case\": \"%s\", \"failed\": true}\n", text.c_str());
    std::fflush(stdout);
    std::fprintf(stderr, "%s: %s\n", where.c_str(), error.what());
    return false;
  }
}

int main_of(int argc, char** argv) {
  std::string library, shapes, filter;
  int runs = 30;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--library" && i + 1 < argc) library = argv[++i];
    else if (word == "--filter" && i + 1 < argc) filter = argv[++i];
    else if (word == "--runs" && i + 1 < argc) runs = std::max(1, std::atoi(argv[++i]));
    else shapes = word;
  }
  if (library.empty() || shapes.empty()) fail("usage: device_bench --library PATH SHAPES [--filter TEXT] [--runs N]");
  void* so = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!so) fail(dlerror());
  const auto open = reinterpret_cast<HtOpenBackend>(dlsym(so, HT_OPEN_BACKEND));
  HtBackend* table = open ? open(HT_BACKEND_VERSION) : nullptr;
  if (!table) fail(library + " is not a backend of this version");
  if (table->probe(table->self) != HT_OK) fail(table->last_error(table->self));
  int failed = 0;
  std::unique_ptr<Timed> last;
  if (shapes == "-")
    for (std::string line; std::getline(std::cin, line);) failed += !time_line(*table, last, line, "standard input", runs);
  else
    for (const auto& [text, where] : read_lines(shapes))
      if (text.find(filter) != std::string::npos) failed += !time_line(*table, last, text, where, runs);
  last.reset();
  return failed != 0;
}

}  // namespace
}  // namespace ht::cases

int main(int argc, char** argv) {
  try {
    return ht::cases::main_of(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "device_bench: %s\n", error.what());
    return 2;
  }
}
