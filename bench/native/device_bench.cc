// Times ops on a device behind the backend table, as the engine runs them: programs of one node, replayed from a graph.
//   device_bench --library PATH SHAPES [--filter TEXT] [--runs N]
// SHAPES: a file of cases in the notation of docs/ops.md. One line of JSON per case: median seconds of a run, the bytes that have
// to move (every operand once), the floating-point operations, and the rates that follow. Inputs are random, never zeros. Runs are
// timed in batches between two synchronisations, so that what is measured is the device and not the call.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

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

void time_case(HtBackend& t, const Case& c, const Draws& draws, int runs) {
  const auto check = [&](HtStatus status) {
    if (status != HT_OK) fail(t.last_error(t.self));
  };
  const Bound b = bind_case(c);
  reject_unknown_words(b);
  const std::vector<Values> inputs = Drawer(b, draws).inputs();
  std::vector<void*> memory;
  std::vector<Tensor> tensors;
  const auto place = [&](const Slot& slot, const Values* values) {
    Block host(slot, slot.dtype, false);
    Tensor tensor = host.tensor();
    if (tensor) {
      if (values) host.fill(*values);
      void* at = nullptr;
      check(t.alloc(t.self, std::max<size_t>(tensor.bytes(), 1), &at));
      if (values) check(t.copy(t.self, at, host.raw(), tensor.bytes(), 0));
      check(t.sync(t.self));
      memory.push_back(at);
      tensor.data = at;
    }
    tensors.push_back(tensor);
  };
  for (size_t i = 0; i < b.in.size(); ++i) place(b.in[i], &inputs[i]);
  for (const Slot& slot : b.out) place(slot, nullptr);

  RunFlags flags;
  const HtNode node{b.op, 0, Call{tensors.data(), tensors.data() + b.in.size(), b.attr.data(), &flags}};
  HtProgram program{sizeof(HtProgram), 1, &node, nullptr};
  void *plan = nullptr, *bound = nullptr;
  size_t workspace = 0;
  check(t.prepare(t.self, &program, &plan, &workspace));
  check(t.alloc(t.self, std::max<size_t>(workspace, 1), &program.workspace));
  check(t.bind(t.self, plan, &program, &bound));
  const auto run = [&](int times) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) check(t.run(t.self, bound, 0, 1));
    check(t.sync(t.self));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / times;
  };
  run(3);  // eager, captured, replayed
  const int batch = std::clamp(static_cast<int>(2e-3 / run(3)), 1, 200);
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) seconds.push_back(run(batch));
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("{\"case\": \"%s\", \"seconds\": %.4g, \"fastest\": %.4g, \"bytes\": %.0f, \"flops\": %.0f, \"GBps\": %.1f, \"TFLOPs\": %.3f}\n", c.text.c_str(), median, seconds.front(), bytes(b), flops(b), bytes(b) / median * 1e-9,
              flops(b) / median * 1e-12);
  std::fflush(stdout);
  t.unbind(t.self, bound);
  t.drop(t.self, plan);
  t.release(t.self, program.workspace);
  for (void* at : memory) t.release(t.self, at);
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
  for (const auto& [text, where] : read_lines(shapes)) {
    if (text.find(filter) == std::string::npos) continue;
    try {
      time_case(*table, parse_case(text, where), {}, runs);
    } catch (const std::exception& error) {
      ++failed;
      std::fprintf(stderr, "%s: %s\n", where.c_str(), error.what());
    }
  }
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
