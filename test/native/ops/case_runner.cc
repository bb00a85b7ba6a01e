// Runs the cases of test/ops/cases without Node: every kernel against the reference in fp64.
//   case_runner test/ops [--op NAME] [--filter TEXT] [--shard I/N] [--smallest K] [--list]
#include "cases_of.h"
#include "cpu/isa.h"
#include "cpu/threads.h"

namespace ht::cases {
namespace {

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

void check_case(const Case& c, const Bound& b, const std::vector<Values>& inputs, const Result& want) {
  compare(run_kernel(b, kOpKernels[b.op].reference, inputs, false), want, c, "reference at storage types");
  if (kOpKernels[b.op].cpu) run_cpu(b, inputs, want);
}

}  // namespace
}  // namespace ht::cases

int main(int argc, char** argv) {
  try {
    return ht::cases::run_cases(argc, argv, ht::cases::check_case);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "case_runner: %s\n", error.what());
    return 2;
  }
}
