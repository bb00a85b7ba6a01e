// What the device can do at best, measured by the plainest kernels, so that benches state a share of it:
// copy and read-only bandwidth, bf16 GEMM through cuBLASLt at M = 8 .. 512 and square, and the time from kernel to dependent kernel in a
// graph.
//   cuda_ceilings [MIB]   one line of JSON per figure; buffers of 1024 MiB, far larger than the second cache
// Medians of many runs, timed with events on the device.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda/blas.h"
#include "cuda/gemm.h"
#include "cuda/launcher.h"

using namespace ht::cuda;

namespace {

constexpr int kMeasurements = 20;

constexpr int kThreads = 256;

// Bytes moved: 2 n. Four independent 16-byte loads per thread keep the memory pipeline full.
__global__ void __launch_bounds__(kThreads) copy_kernel(const uint4* from, uint4* to, int64_t n) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  for (; i + 3 * stride < n; i += 4 * stride) {
    const uint4 a = from[i], b = from[i + stride], c = from[i + 2 * stride], d = from[i + 3 * stride];
    to[i] = a;
    to[i + stride] = b;
    to[i + 2 * stride] = c;
    to[i + 3 * stride] = d;
  }
  for (; i < n; i += stride) to[i] = from[i];
}

// Bytes moved: n. What is read must be used: a block writes only where its sum is one that cannot occur.
__global__ void __launch_bounds__(kThreads) read_kernel(const uint4* from, uint32_t* out, int64_t n) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  uint32_t sum = 0;
  int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  for (; i + 3 * stride < n; i += 4 * stride) {
    const uint4 a = from[i], b = from[i + stride], c = from[i + 2 * stride], d = from[i + 3 * stride];
    sum += a.x ^ b.y ^ c.z ^ d.w;
  }
  for (; i < n; i += stride) sum += from[i].x;
  if (sum == 0x5eed5eedu) out[0] = sum;
}

// Each needs what the one before it wrote, so that nothing may overlap.
__global__ void step_kernel(uint32_t* counter) { *counter += 1; }

// Uniform bits: random exponents would give NaN, so the sign, seven mantissa bits and exponents of about 1.
__global__ void __launch_bounds__(kThreads) random_bf16_kernel(uint16_t* to, int64_t n, uint32_t seed) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += int64_t{gridDim.x} * kThreads) {
    uint32_t h = static_cast<uint32_t>(i) * 2654435761u + seed;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    to[i] = static_cast<uint16_t>((h & 0x8000u) | (0x3f00u + (h & 0xffu)));
  }
}

class Timer {
 public:
  explicit Timer(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&start_), "event");
    check(cudaEventCreate(&end_), "event");
  }
  // Median seconds of one call of f, `times` per measurement.
  template <class F>
  double median(int times, const F& f) {
    f();
    std::vector<double> seconds;
    for (int i = 0; i < kMeasurements; ++i) {
      check(cudaEventRecord(start_, stream_), "event");
      for (int k = 0; k < times; ++k) f();
      check(cudaEventRecord(end_, stream_), "event");
      check(cudaEventSynchronize(end_), "run");
      float ms = 0;
      check(cudaEventElapsedTime(&ms, start_, end_), "event");
      seconds.push_back(ms * 1e-3 / times);
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t start_ = nullptr, end_ = nullptr;
};

void report(const char* name, double value, const char* unit) { std::printf("{\"ceiling\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", name, value, unit); }

void bandwidth(Launcher& l, Timer& timer, int processors, size_t bytes) {
  void *a = nullptr, *b = nullptr;
  check(cudaMalloc(&a, bytes), "memory");
  check(cudaMalloc(&b, bytes), "memory");
  const int64_t n = static_cast<int64_t>(bytes / sizeof(uint4));
  const dim3 grid(static_cast<unsigned>(processors) * 8), block(kThreads);
  l.launch(random_bf16_kernel, grid, block, 0, static_cast<uint16_t*>(a), static_cast<int64_t>(bytes / 2), 1u);
  report("device copy", 2 * static_cast<double>(bytes) / timer.median(3, [&] { l.launch(copy_kernel, grid, block, 0, static_cast<const uint4*>(a), static_cast<uint4*>(b), n); }) * 1e-9, "GB/s");
  report("read only", static_cast<double>(bytes) / timer.median(3, [&] { l.launch(read_kernel, grid, block, 0, static_cast<const uint4*>(a), static_cast<uint32_t*>(b), n); }) * 1e-9, "GB/s");
  cudaFree(a);
  cudaFree(b);
}

void products(Launcher& l, Timer& timer) {
  struct Shape {
    int64_t m, n, k;
  };
  for (const Shape& s : {Shape{8, 4096, 4096}, Shape{64, 4096, 4096}, Shape{512, 4096, 4096}, Shape{8192, 8192, 8192}, Shape{8, 768, 768}, Shape{64, 2048, 768}, Shape{512, 2048, 768}}) {
    void *a = nullptr, *b = nullptr, *c = nullptr;
    check(cudaMalloc(&a, static_cast<size_t>(s.m * s.k) * 2), "memory");
    check(cudaMalloc(&b, static_cast<size_t>(s.n * s.k) * 2), "memory");
    check(cudaMalloc(&c, static_cast<size_t>(s.m * s.n) * 2), "memory");
    l.launch(random_bf16_kernel, dim3(256), dim3(kThreads), 0, static_cast<uint16_t*>(a), s.m * s.k, 2u);
    l.launch(random_bf16_kernel, dim3(256), dim3(kThreads), 0, static_cast<uint16_t*>(b), s.n * s.k, 3u);
    const Gemm g{s.m, s.n, s.k, {a, ht::DType::BF16, s.k, 1}, {b, ht::DType::BF16, 1, s.k}, c, ht::DType::BF16, s.n};
    const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
    char name[96];
    std::snprintf(name, sizeof name, "bf16 GEMM %ld x %ld x %ld", long{s.m}, long{s.n}, long{s.k});
    report(name, flops / timer.median(10, [&] { l.blas().gemm(g); }) * 1e-12, "TFLOP/s");
    cudaFree(a);
    cudaFree(b);
    cudaFree(c);
  }
}

void gap_in_graph(Launcher& l, Timer& timer, cudaStream_t stream) {
  constexpr int kKernels = 200;
  void* counter = nullptr;
  check(cudaMalloc(&counter, sizeof(uint32_t)), "memory");
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  for (int i = 0; i < kKernels; ++i) l.launch(step_kernel, dim3(1), dim3(1), 0, static_cast<uint32_t*>(counter));
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream, &graph), "capture");
  cudaGraphExec_t exec = nullptr;
  check(cudaGraphInstantiate(&exec, graph, 0), "graph");
  report("kernel after kernel in a graph", timer.median(5, [&] { check(cudaGraphLaunch(exec, stream), "graph"); }) / kKernels * 1e6, "us");
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  cudaFree(counter);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t bytes = static_cast<size_t>(argc > 1 ? std::max(1, std::atoi(argv[1])) : 1024) << 20;
  try {
    cudaDeviceProp p;
    check(cudaGetDeviceProperties(&p, 0), "device");
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
    Blas blas(stream);
    Launcher l(Mode::Run, stream, &blas, nullptr);
    Timer timer(stream);
    int driver = 0, runtime = 0;
    check(cudaDriverGetVersion(&driver), "driver");
    check(cudaRuntimeGetVersion(&runtime), "runtime");
    std::printf("{\"device\": \"%s\", \"driver\": \"%d.%d\", \"cuda\": \"%d.%d\", \"cublas\": \"%s\"}\n", p.name, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10,
                blas.describe().c_str());
    bandwidth(l, timer, p.multiProcessorCount, bytes);
    products(l, timer);
    gap_in_graph(l, timer, stream);
  } catch (const Failure& failure) {
    std::fprintf(stderr, "cuda_ceilings: %s\n", failure.text.c_str());
    return 1;
  }
}
