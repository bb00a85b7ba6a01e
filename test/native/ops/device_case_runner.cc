// Runs the cases of test/ops/cases on a device behind the backend table: programs of one node, against the reference in fp64.
//   device_case_runner test/ops [--library PATH] [--op NAME] [--filter TEXT] [--shard I/N] [--smallest K] [--schedules first|greedy|all|last]
// Each case runs as the engine runs it: prepared at its sizes, bound, then run three times (eagerly, captured, replayed).
#include <dlfcn.h>

#include <cstdio>
#include <filesystem>

#include "cases_of.h"
#include "compare.h"
#include "core/backend.h"

namespace ht::cases {
namespace {

struct Device {
  HtBackend* table;
  void check(HtStatus status) const {
    if (status != HT_OK) fail(table->last_error(table->self));
  }
};

// Device memory of one operand, guard bands included, so that a stray write is seen.
class DeviceBlock {
 public:
  DeviceBlock(const Device& device, Block& host) : device_(device), bytes_(host.raw_bytes()), tensor_(host.tensor()) {
    device_.check(device_.table->alloc(device_.table->self, std::max<size_t>(bytes_, 1), &memory_));
    if (tensor_) tensor_.data = static_cast<char*>(memory_) + host.guard();
  }
  DeviceBlock(DeviceBlock&& o) noexcept : device_(o.device_), bytes_(o.bytes_), tensor_(o.tensor_), memory_(o.memory_) { o.memory_ = nullptr; }
  ~DeviceBlock() {
    if (memory_) device_.table->release(device_.table->self, memory_);
  }
  void upload(Block& from) const { device_.check(device_.table->copy(device_.table->self, memory_, from.raw(), bytes_, 0)); }
  void download(Block& to) const { device_.check(device_.table->copy(device_.table->self, to.raw(), memory_, bytes_, 1)); }
  const Tensor& tensor() const { return tensor_; }

 private:
  const Device& device_;
  size_t bytes_;
  Tensor tensor_;
  void* memory_ = nullptr;
};

struct HostBlocks {
  std::vector<Block> in, out, before;
  HostBlocks(const Bound& b, const std::vector<Values>& inputs) {
    for (size_t i = 0; i < b.in.size(); ++i) {
      for (std::vector<Block>* side : {&in, &before}) {
        side->emplace_back(b.in[i], b.in[i].dtype, true);
        side->back().fill(inputs[i]);
      }
    }
    for (const Slot& slot : b.out) {
      out.emplace_back(slot, slot.dtype, true);
      out.back().poison();
    }
  }
};

Result run_on_device(const Device& device, const Bound& b, const std::vector<Values>& inputs) {
  HtBackend& t = *device.table;
  std::vector<DeviceBlock> in, out;
  {
    HostBlocks host(b, inputs);
    for (Block& x : host.in) in.emplace_back(device, x);
    for (Block& x : host.out) out.emplace_back(device, x);
  }
  std::vector<Tensor> tensors;
  for (const std::vector<DeviceBlock>* side : {&in, &out})
    for (const DeviceBlock& x : *side) tensors.push_back(x.tensor());

  RunFlags flags;
  const HtNode node{b.op, 0, Call{tensors.data(), tensors.data() + in.size(), b.attr.data(), &flags}, 0, 0, nullptr, nullptr};
  HtProgram program{sizeof(HtProgram), 1, &node, nullptr, nullptr};
  void *plan = nullptr, *bound = nullptr, *workspace = nullptr;
  size_t workspace_bytes = 0;
  device.check(t.prepare(t.self, &program, &plan, &workspace_bytes));
  device.check(t.alloc(t.self, std::max<size_t>(workspace_bytes, 1), &workspace));
  program.workspace = workspace;
  device.check(t.bind(t.self, plan, &program, &bound));

  std::vector<Result> results;
  for (const char* way : {"eagerly", "captured", "replayed"}) {
    HostBlocks host(b, inputs);
    flags.bad_index = 0;
    for (size_t i = 0; i < in.size(); ++i) in[i].upload(host.in[i]);
    for (size_t i = 0; i < out.size(); ++i) out[i].upload(host.out[i]);
    device.check(t.run(t.self, bound, 0, 1));
    for (size_t i = 0; i < in.size(); ++i) in[i].download(host.in[i]);
    for (size_t i = 0; i < out.size(); ++i) out[i].download(host.out[i]);
    device.check(t.sync(t.self));
    results.push_back(collect(b, host.in, host.out, host.before, flags.bad_index.load() != 0));
    const Result &one = results.front(), &other = results.back();
    for (size_t k = 0; k < one.written.size(); ++k)
      if (!one.written[k].same_bytes(other.written[k])) fail(one.names[k] + " differs when " + way);
  }
  t.unbind(t.self, bound);
  t.drop(t.self, plan);
  t.release(t.self, workspace);
  return std::move(results.front());
}

int main_of(int argc, char** argv) {
  std::string library, schedules = "first";
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--library" && i + 1 < argc) library = argv[++i];
    else if (word == "--schedules" && i + 1 < argc) schedules = argv[++i];
    else rest.push_back(argv[i]);
  }
  void* so = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!so) fail(dlerror());
  const auto open = reinterpret_cast<HtOpenBackend>(dlsym(so, HT_OPEN_BACKEND));
  const Device device{open ? open(HT_BACKEND_VERSION) : nullptr};
  if (!device.table) fail(library + " is not a backend of this version");
  device.check(device.table->probe(device.table->self));
  // Emulated devices only: how the fibers take turns.
  const auto schedule_count = reinterpret_cast<int (*)()>(dlsym(so, "ht_emulator_schedule_count"));
  const auto set_schedule = reinterpret_cast<const char* (*)(int)>(dlsym(so, "ht_emulator_set_schedule"));
  const int all = schedule_count ? schedule_count() : 1;
  const int begin = schedules == "last" ? all - 1 : 0, end = schedules == "first" ? 1 : schedules == "greedy" ? std::min(3, all) : all;
  return run_cases(static_cast<int>(rest.size()), rest.data(), [&](const Case& c, const Bound& b, const std::vector<Values>& inputs, const Result& want) {
    if (std::any_of(b.in.begin(), b.in.end(), [](const Slot& slot) { return slot.present && slot.dtype == DType::I8; })) return;  // CPU only
    for (int s = begin; s < end; ++s) {
      const std::string name = set_schedule ? set_schedule(s) : "device";
      const Result got = run_on_device(device, b, inputs);
      compare(got, want, c, name);
      check_flag(got, c, name);
    }
  });
}

}  // namespace
}  // namespace ht::cases

int main(int argc, char** argv) {
  try {
    return ht::cases::main_of(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "device_case_runner: %s\n", error.what());
    return 2;
  }
}
