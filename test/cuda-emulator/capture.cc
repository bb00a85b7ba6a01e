// Stream capture and graphs. While a stream captures, its operations are recorded instead of enqueued, with the arguments of
// that moment; a graph's nodes run in the order of capture at every launch.
//
// Found here: calls that are illegal while this thread captures (allocation, anything that waits, copies without a stream, and,
// stricter than CUDA, all work in the legacy stream); each makes the capture invalid. Not there: forks into other streams and
// allocations inside a graph (reported as errors), updates of a graph.
//
// HT_EMULATED_GRAPHS names a file to which every graph is added as a line, one word per node: of kernels the offset in the shared
// object that holds them, which `nm` turns into a name.
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "runtime_state.h"

struct CUgraph_st {
  std::vector<emulator::Node> nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<emulator::Node>> nodes;  // launches that have yet to run share it
};

namespace emulator {

std::vector<std::shared_ptr<CUstream_st>> capturing_streams();

namespace {

std::vector<std::unique_ptr<CUgraph_st>>& graphs = *new std::vector<std::unique_ptr<CUgraph_st>>;
std::vector<std::unique_ptr<CUgraphExec_st>>& executables = *new std::vector<std::unique_ptr<CUgraphExec_st>>;

template <class T>
typename std::vector<std::unique_ptr<T>>::iterator find(std::vector<std::unique_ptr<T>>& all, T* handle) {
  return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.get() == handle; });
}

template <class T>
cudaError_t check(std::vector<std::unique_ptr<T>>& all, T* handle) {
  return find(all, handle) != all.end() ? cudaSuccess : report(cudaErrorInvalidResourceHandle, "no such graph");
}

void list_nodes(const std::vector<Node>& nodes) {
  const char* path = std::getenv("HT_EMULATED_GRAPHS");
  std::FILE* file = path ? std::fopen(path, "a") : nullptr;
  if (!file) return;
  for (const Node& node : nodes) {
    Dl_info info;
    if (node.label.kernel && dladdr(node.label.kernel, &info)) std::fprintf(file, "%zx ", static_cast<size_t>(static_cast<const char*>(node.label.kernel) - static_cast<char*>(info.dli_fbase)));
    else std::fprintf(file, "%s ", node.label.word);
  }
  std::fprintf(file, "\n");
  std::fclose(file);
}

}  // namespace

cudaError_t refuse_in_capture(const char* name) {
  for (const auto& s : capturing_streams()) {
    Capture& c = *s->capture;
    if (c.mode == cudaStreamCaptureModeRelaxed || (c.mode == cudaStreamCaptureModeThreadLocal && c.thread != std::this_thread::get_id())) continue;
    if (c.illegal.empty()) c.illegal = std::string(name) + " during a capture";
    return report(cudaErrorStreamCaptureUnsupported, std::string(name) + " during a capture");
  }
  return cudaSuccess;
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (stream->legacy) return report(cudaErrorStreamCaptureUnsupported, "the legacy stream cannot be captured");
    if (stream->capture) return report(cudaErrorIllegalState, "the stream is being captured");
    stream->capture = std::make_unique<Capture>(Capture{mode, std::this_thread::get_id(), {}, {}});
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  *graph = nullptr;
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (!stream->capture) return report(cudaErrorIllegalState, "the stream is not being captured");
    if (stream->capture->mode != cudaStreamCaptureModeRelaxed && stream->capture->thread != std::this_thread::get_id())
      return report(cudaErrorStreamCaptureWrongThread, "cudaStreamEndCapture");
    const std::unique_ptr<Capture> capture = std::move(stream->capture);
    if (!capture->illegal.empty()) return report(cudaErrorStreamCaptureInvalidated, capture->illegal);
    graphs.push_back(std::make_unique<CUgraph_st>(CUgraph_st{std::move(capture->nodes)}));
    *graph = graphs.back().get();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    *status = !stream->capture ? cudaStreamCaptureStatusNone : stream->capture->illegal.empty() ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusInvalidated;
    return cudaSuccess;
  });
}

// The count only.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call(nullptr, [&] {
    if (const cudaError_t e = check(graphs, graph)) return e;
    if (nodes) return report(cudaErrorNotSupported, "the emulator's nodes cannot be had");
    *count = graph->nodes.size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return call(nullptr, [&] {
    if (const cudaError_t e = check(graphs, graph)) return e;
    executables.push_back(std::make_unique<CUgraphExec_st>());
    executables.back()->nodes = std::make_shared<const std::vector<Node>>(graph->nodes);
    list_nodes(graph->nodes);
    *executable = executables.back().get();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  return call(nullptr, [&] {
    std::shared_ptr<CUstream_st> stream;
    if (const cudaError_t e = find_stream(handle, &stream)) return e;
    if (const cudaError_t e = check(executables, executable)) return e;
    return enqueue(*stream, [nodes = executable->nodes] {
      for (const Node& node : *nodes) node.run();
    });
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call(nullptr, [&] {
    if (const cudaError_t e = check(graphs, graph)) return e;
    graphs.erase(find(graphs, graph));
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return call(nullptr, [&] {
    if (const cudaError_t e = check(executables, executable)) return e;
    executables.erase(find(executables, executable));
    return cudaSuccess;
  });
}
