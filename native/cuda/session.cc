#include "cuda/session.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/ops.gen.h"
#include "core/ops_cuda.gen.h"
#include "cuda/probe.h"

#ifndef HT_CUDA_DEVICE_NAME
#define HT_CUDA_DEVICE_NAME "cuda"
#endif

namespace ht::cuda {
namespace {

constexpr size_t kGraphsKept = 128;
// Freed memory that the pool holds on to, so that caches of one generate call after another cost no mapping.
constexpr uint64_t kPoolKept = uint64_t{1} << 30;

// Throws before anything else is made where there is no usable device.
std::string require_device() {
  const Probe found = probe_device();
  if (found.status != HT_OK) throw Failure{found.status, found.text};
  return found.text;
}

cudaStream_t make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  return stream;
}

cudaMemPool_t pool() {
  cudaMemPool_t p = nullptr;
  check(cudaDeviceGetDefaultMemPool(&p, 0), "memory pool");
  return p;
}

}  // namespace

Session::Session() : description_(require_device()), stream_(make_stream()), staging_(stream_), blas_(stream_), graphs_(kGraphsKept) {
  uint64_t kept = kPoolKept;
  check(cudaMemPoolSetAttribute(pool(), cudaMemPoolAttrReleaseThreshold, &kept), "memory pool");
  size_t free = 0;
  check(cudaMemGetInfo(&free, &memory_bytes_), "memory");
  const char* graphs = std::getenv("HYPERTUNE_CUDA_GRAPHS");
  use_graphs_ = !graphs || std::strcmp(graphs, "0") != 0;
  check(cudaStreamSynchronize(stream_), "stream");
}

void Session::info(HtDeviceInfo* out) const {
  *out = HtDeviceInfo{};
  out->struct_size = sizeof *out;
  std::strncpy(out->name, HT_CUDA_DEVICE_NAME, sizeof out->name - 1);
  std::strncpy(out->detail, (description_ + "; " + blas_.describe()).c_str(), sizeof out->detail - 1);
  out->memory_bytes = memory_bytes_;
  out->asynchronous = 1;
}

void* Session::alloc(size_t bytes) {
  bytes = std::max<size_t>(bytes, 1);
  void* memory = nullptr;
  cudaError_t e = cudaMallocAsync(&memory, bytes, stream_);
  if (e == cudaErrorMemoryAllocation) {  // what is about to be freed, or held by the pool in other sizes, may suffice
    cudaGetLastError();
    check(cudaStreamSynchronize(stream_), "device memory");
    check(cudaMemPoolTrimTo(pool(), 0), "memory pool");
    e = cudaMallocAsync(&memory, bytes, stream_);
  }
  if (e == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "memory");
    throw Failure{HT_NO_MEMORY, std::to_string(free) + " of the device's " + std::to_string(total) + " bytes are free"};
  }
  check(e, "device memory");
  check(cudaMemsetAsync(memory, 0, bytes, stream_), "device memory");
  return memory;
}

void Session::release(void* memory) { check(cudaFreeAsync(memory, stream_), "free"); }

void Session::copy(void* to, const void* from, size_t bytes, int32_t kind) {
  if (!bytes) return;
  if (kind == 0) staging_.upload(to, from, bytes);
  else if (kind == 1) staging_.download(to, from, bytes);
  else check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy");
}

void Session::chains(const HtProgram& program, int32_t* until) const {
  for (int32_t i = 0; i < program.node_count; ++i) until[i] = i;
  for (const Chain& chain : find_chains(program)) std::fill(until + chain.first, until + chain.last, chain.last);
}

Plan* Session::prepare(const HtProgram& program) {
  Launcher measure(Mode::Measure, stream_, nullptr, nullptr);
  for (int32_t i = 0; i < program.node_count; ++i) visit(program.nodes[i], measure);
  return new Plan{measure.scratch_peak(), find_chains(program)};
}

BoundProgram* Session::bind(const Plan& plan, const HtProgram& program) {
  auto b = std::make_unique<BoundProgram>();
  b->nodes = program.nodes;
  b->count = program.node_count;
  b->scratch = program.workspace;
  b->scratch_bytes = plan.scratch_bytes;
  Launcher constants(Mode::Bind, stream_, nullptr, nullptr);
  constants.use_scratch(b->scratch, b->scratch_bytes);
  for (int32_t i = 0; i < b->count; ++i) {
    b->constants_at.push_back(constants.constants_used());
    visit(b->nodes[i], constants);
  }
  if (constants.constants_used()) {
    void* memory = alloc(constants.constants_used());
    b->constants = static_cast<char*>(memory);
    staging_.upload(memory, constants.constants().data(), constants.constants_used());
  }
  for (const Chain& chain : plan.chains)
    if (can_run_as_one(chain, b->nodes)) b->chains.push_back(chain);
  b->bad_index = flags_.take();
  return b.release();
}

void Session::unbind(BoundProgram* b) {
  const std::unique_ptr<BoundProgram> gone(b);
  pending_.erase(b);
  graphs_.drop(b);
  flags_.give_back(b->bad_index);
  if (b->constants) release(b->constants);
}

// The first time eagerly, as cuBLAS and lazily loaded kernels want; then captured, then replayed.
void Session::run(BoundProgram& b, int32_t first, int32_t last) {
  if (first >= last) return;
  pending_.insert(&b);
  b.last_run = ++runs_;
  if (cudaGraphExec_t exec = graphs_.find(&b, first, last)) return check(cudaGraphLaunch(exec, stream_), "graph");
  const std::pair<int32_t, int32_t> range(first, last);
  const bool again = std::find(b.seen.begin(), b.seen.end(), range) != b.seen.end();
  if (!again) b.seen.push_back(range);
  if (!again || !use_graphs_) return launch(b, first, last);
  check(cudaGraphLaunch(capture(b, first, last), stream_), "graph");
}

cudaGraphExec_t Session::capture(BoundProgram& b, int32_t first, int32_t last) {
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capture");
  cudaGraph_t graph = nullptr;
  try {
    launch(b, first, last);
  } catch (...) {
    cudaStreamEndCapture(stream_, &graph);
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  check(cudaStreamEndCapture(stream_, &graph), "capture");
  cudaGraphExec_t exec = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  check(made, "graph");
  graphs_.keep(&b, first, last, exec);
  return exec;
}

void Session::visit(const HtNode& node, Launcher& launcher) {
  if (op_schema(node.op).view) return;
  launcher.next_node();
  kCudaKernels[node.op](node.call, launcher);
}

void Session::launch(BoundProgram& b, int32_t first, int32_t last) {
  Launcher run(Mode::Run, stream_, &blas_, b.bad_index);
  run.use_scratch(b.scratch, b.scratch_bytes);
  auto chain = b.chains.begin();
  for (int32_t i = first; i < last; ++i) {
    while (chain != b.chains.end() && chain->first < i) ++chain;
    const bool fused = chain != b.chains.end() && chain->first == i && chain->last < last;
    const int32_t end = fused ? chain->last : i;
    run.use_constants(b.constants, b.constants_at[end]);
    if (fused) {
      run.next_node();
      chain->fusion->launch(b.nodes + i, run);
    } else {
      visit(b.nodes[i], run);
    }
    i = end;
  }
}

uint64_t Session::mark() {
  if (free_events_.empty()) {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
    free_events_.push_back(event);
  }
  check(cudaEventRecord(free_events_.back(), stream_), "event");
  marks_.push_back({++tickets_, staging_.downloads(), free_events_.back()});
  free_events_.pop_back();
  return tickets_;
}

cudaEvent_t Session::event_of(uint64_t ticket) const {
  for (const Mark& m : marks_)
    if (m.ticket == ticket) return m.event;
  return nullptr;
}

// An event that is used again while another thread still waits for it makes that thread wait longer, never shorter.
void Session::settle(uint64_t ticket) {
  for (; !marks_.empty() && marks_.front().ticket <= ticket; marks_.pop_front()) {
    staging_.deliver(marks_.front().downloads);
    free_events_.push_back(marks_.front().event);
  }
}

void Session::settle_flags(uint64_t last_run) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    BoundProgram& b = **it;
    if (*b.bad_index && b.nodes[0].call.flags) b.nodes[0].call.flags->bad_index = 1;
    if (b.last_run > last_run) {
      ++it;
      continue;
    }
    *b.bad_index = 0;
    it = pending_.erase(it);
  }
}

void Session::abandon() {
  staging_.drop();
  pending_.clear();
}

}  // namespace ht::cuda
