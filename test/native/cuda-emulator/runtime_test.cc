// The emulated runtime: what runs when, what a forgotten wait gives, what misuse reports.
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "emulated.h"
#include "sanitizers.h"
#include "stream_interface.h"

namespace {

constexpr int kCount = 256;

__global__ void add_kernel(const int* in, int* out, int what) { out[blockIdx.x * blockDim.x + threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x] + what; }

cudaError_t add(const int* in, int* out, int what, cudaStream_t stream) { return dev::launch(add_kernel, dim3(kCount / 64), dim3(64), 0, stream, in, out, what); }

class Stream {
 public:
  explicit Stream(unsigned flags = cudaStreamNonBlocking) { CHECK_OK(cudaStreamCreateWithFlags(&handle_, flags)); }
  Stream(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(handle_); }
  operator cudaStream_t() const { return handle_; }

 private:
  cudaStream_t handle_ = nullptr;
};

class Event {
 public:
  Event() { CHECK_OK(cudaEventCreate(&handle_)); }
  Event(const Event&) = delete;
  ~Event() { cudaEventDestroy(handle_); }
  operator cudaEvent_t() const { return handle_; }

 private:
  cudaEvent_t handle_ = nullptr;
};

class Pinned {
 public:
  explicit Pinned(int value) {
    void* memory = nullptr;
    CHECK_OK(cudaMallocHost(&memory, kCount * sizeof(int)));
    data_ = static_cast<int*>(memory);
    fill(value);
  }
  Pinned(const Pinned&) = delete;
  ~Pinned() { cudaFreeHost(data_); }
  void fill(int value) {
    for (int i = 0; i < kCount; ++i) data_[i] = value;
  }
  int* data() const { return data_; }
  bool all(int value) const {
    for (int i = 0; i < kCount; ++i)
      if (data_[i] != value) return false;
    return true;
  }

 private:
  int* data_ = nullptr;
};

bool all(const std::vector<int>& v, int value) {
  for (int x : v)
    if (x != value) return false;
  return true;
}

size_t bytes() { return kCount * sizeof(int); }

bool says(cudaError_t error, cudaError_t want, const char* text) {
  const std::string got = cudaGetErrorString(error);
  cudaGetLastError();
  if (error == want && got.find(text) != std::string::npos) return true;
  std::printf("error %d, wanted %d: %s\n", error, want, got.c_str());
  return false;
}

// ---- order

// Upload on one stream, kernel and download on another; with a wait left out the result is not there.
bool relay(bool event_between, bool wait_at_end) {
  const DeviceArray<int> in(kCount), out(kCount);
  Pinned from(7), to(0);
  const Stream first, second;
  const Event uploaded;
  CHECK_OK(cudaMemcpyAsync(in.data(), from.data(), bytes(), cudaMemcpyHostToDevice, first));
  CHECK_OK(cudaEventRecord(uploaded, first));
  if (event_between) CHECK_OK(cudaStreamWaitEvent(second, uploaded));
  CHECK_OK(add(in.data(), out.data(), 1, second));
  CHECK_OK(cudaMemcpyAsync(to.data(), out.data(), bytes(), cudaMemcpyDeviceToHost, second));
  if (wait_at_end) CHECK_OK(cudaStreamSynchronize(second));
  return to.all(8);
}

void test_waits() {
  CHECK(relay(true, true));
  CHECK(!relay(true, false), "without waiting for the stream");
  CHECK(!relay(false, true), "without the event between the streams");
}

void test_staging() {
  const DeviceArray<int> device(kCount);
  const Stream stream;
  Pinned staging(1);
  CHECK_OK(cudaMemcpyAsync(device.data(), staging.data(), bytes(), cudaMemcpyHostToDevice, stream));
  staging.fill(2);  // too early
  CHECK(all(device.read(), 2), "pinned memory is read late");
  std::vector<int> pageable(kCount, 3);
  CHECK_OK(cudaMemcpyAsync(device.data(), pageable.data(), bytes(), cudaMemcpyHostToDevice, stream));
  std::fill(pageable.begin(), pageable.end(), 4);
  CHECK(all(device.read(), 3), "pageable memory is taken at once");
  CHECK_OK(add(device.data(), device.data(), 10, stream));
  CHECK_OK(cudaMemcpyAsync(pageable.data(), device.data(), bytes(), cudaMemcpyDeviceToHost, stream));
  CHECK(all(pageable, 13), "a copy to pageable memory waits");
}

void test_copies_and_fills() {
  const DeviceArray<int> one(std::vector<int>(kCount, 5)), two(kCount);
  CHECK_OK(cudaMemcpy(two.data(), one.data(), bytes(), cudaMemcpyDeviceToDevice));
  CHECK_OK(cudaMemset(one.data(), 0, bytes()));
  CHECK(all(two.read(), 5) && all(one.read(), 0));
}

void test_queries() {
  const DeviceArray<int> device(std::vector<int>(kCount, 0));
  const Stream stream;
  const Event before, after;
  CHECK_OK(cudaEventRecord(before, stream));
  for (int i = 0; i < 3; ++i) CHECK_OK(add(device.data(), device.data(), 1, stream));
  CHECK_OK(cudaEventRecord(after, stream));
  CHECK_OK(add(device.data(), device.data(), 100, stream));
  CHECK(cudaEventQuery(after) == cudaErrorNotReady);
  cudaGetLastError();
  int polls = 0;
  while (cudaEventQuery(after) == cudaErrorNotReady && polls < 100) ++polls;
  CHECK(polls < 100, "polling ends");
  CHECK(cudaStreamQuery(stream) == cudaErrorNotReady);
  while (cudaStreamQuery(stream) == cudaErrorNotReady && polls < 100) ++polls;
  CHECK_OK(cudaStreamQuery(stream));
  cudaGetLastError();
  float milliseconds = -1;
  CHECK_OK(cudaEventElapsedTime(&milliseconds, before, after));
  CHECK(milliseconds >= 0);
  CHECK(all(device.read(), 103));
}

// The legacy stream waits for blocking streams and they for it; others are independent.
void test_legacy_stream() {
  for (const unsigned flags : {cudaStreamDefault, cudaStreamNonBlocking}) {
    const DeviceArray<int> device(std::vector<int>(kCount, 0));
    Pinned to(-1);
    const Stream stream(flags);
    CHECK_OK(add(device.data(), device.data(), 1, stream));
    CHECK_OK(cudaMemcpyAsync(to.data(), device.data(), bytes(), cudaMemcpyDeviceToHost));
    CHECK_OK(cudaStreamSynchronize(nullptr));
    CHECK(to.all(flags == cudaStreamDefault ? 1 : 0));
    CHECK_OK(cudaDeviceSynchronize());
    CHECK_OK(cudaMemsetAsync(device.data(), 0, bytes()));
    CHECK_OK(add(device.data(), device.data(), 2, stream));
    CHECK_OK(cudaStreamSynchronize(stream));
    CHECK_OK(cudaMemcpyAsync(to.data(), device.data(), bytes(), cudaMemcpyDeviceToHost, stream));
    CHECK_OK(cudaStreamSynchronize(stream));
    CHECK(to.all(flags == cudaStreamDefault ? 2 : 3));
  }
}

void test_work_outlives_its_stream() {
  const DeviceArray<int> device(std::vector<int>(kCount, 1));
  {
    const Stream stream;
    CHECK_OK(add(device.data(), device.data(), 1, stream));
  }
  CHECK_OK(cudaDeviceSynchronize());
  CHECK(all(device.read(), 2));
}

void test_foreign_work() {
  const Stream stream;
  static int calls, released;
  calls = released = 0;
  auto* interface = reinterpret_cast<emulator::StreamInterface*>(static_cast<cudaStream_t>(stream));
  CHECK(interface->magic == emulator::kStreamMagic);
  CHECK(interface->enqueue(interface, [](void* data) { calls += *static_cast<int*>(data); }, new int(3), [](void* data) {
    ++released;
    delete static_cast<int*>(data);
  }) == 0);
  CHECK_OK(cudaLaunchHostFunc(stream, [](void* data) { *static_cast<int*>(data) *= 10; }, &calls));
  CHECK(calls == 0 && released == 0, "foreign work too waits for its turn");
  CHECK_OK(cudaStreamSynchronize(stream));
  CHECK(calls == 30 && released == 1);
}

// ---- memory

void test_memory() {
  void* memory = nullptr;
  int local = 0;
  CHECK_OK(cudaMalloc(&memory, 1000));
  CHECK(reinterpret_cast<uintptr_t>(memory) % 256 == 0);
  std::vector<unsigned char> bytes(1000);
  CHECK_OK(cudaMemcpy(bytes.data(), memory, 1000, cudaMemcpyDeviceToHost));
  for (unsigned char b : bytes) CHECK(b == 0xFF, "fresh memory is poison");
  CHECK(says(cudaMemcpy(memory, bytes.data(), 1001, cudaMemcpyHostToDevice), cudaErrorInvalidValue, "1 bytes past the end"));
  CHECK(says(cudaMemcpy(memory, bytes.data(), 8, cudaMemcpyDeviceToHost), cudaErrorInvalidValue, "direction"));
  CHECK(says(cudaMemcpy(&local, bytes.data(), 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue, "direction"));
  CHECK(says(cudaMemcpy(memory, static_cast<char*>(memory) + 4, 8, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue, "overlap"));
  CHECK(says(cudaMemset(&local, 0, 4), cudaErrorInvalidValue, "not device memory"));
  CHECK(says(cudaFree(&local), cudaErrorInvalidValue, "not an allocation"));
  CHECK(says(cudaFreeHost(memory), cudaErrorInvalidValue, "not pinned"));
  CHECK(says(cudaFreeAsync(memory, nullptr), cudaErrorInvalidValue, "cudaMallocAsync did not give"));
  CHECK_OK(cudaFree(memory));
  CHECK(says(cudaFree(memory), cudaErrorInvalidValue, "not an allocation"));
  CHECK_OK(cudaFree(nullptr));
}

void test_memory_in_stream_order() {
  const Stream stream;
  void* memory = nullptr;
  CHECK_OK(cudaMallocAsync(&memory, bytes(), stream));
  CHECK_OK(cudaMemsetAsync(memory, 0, bytes(), stream));
  CHECK_OK(add(static_cast<int*>(memory), static_cast<int*>(memory), 6, stream));
  Pinned to(0);
  CHECK_OK(cudaMemcpyAsync(to.data(), memory, bytes(), cudaMemcpyDeviceToHost, stream));
  CHECK_OK(cudaFreeAsync(memory, stream));
  CHECK(says(cudaFreeAsync(memory, stream), cudaErrorInvalidValue, "twice"));
  CHECK(says(cudaMemsetAsync(memory, 0, 4, stream), cudaErrorInvalidValue, "cudaFreeAsync was called"));
  if (!emulator::kAddressSanitizer) {  // it reports this kernel, rightly
    const DeviceArray<int> out(kCount);
    CHECK_OK(add(static_cast<int*>(memory), out.data(), 0, stream));
    CHECK(all(out.read(), -1), "memory is poison once the stream has freed it");
  }
  CHECK_OK(cudaStreamSynchronize(stream));
  CHECK(to.all(6));
}

void test_little_memory() {
  setenv("HT_EMULATED_MEMORY", "4096", 1);
  const Stream stream;
  void *first = nullptr, *second = nullptr;
  size_t free = 0, total = 0;
  CHECK_OK(cudaMallocAsync(&first, 3000, stream));
  CHECK_OK(cudaMemGetInfo(&free, &total));
  CHECK(free == 1096 && total == 4096);
  CHECK(says(cudaMalloc(&second, 1097), cudaErrorMemoryAllocation, "3000 of 4096 are used"));
  CHECK_OK(cudaFreeAsync(first, stream));
  CHECK(cudaMallocAsync(&second, 2000, stream) == cudaErrorMemoryAllocation, "not free before the stream gets there");
  cudaGetLastError();
  CHECK_OK(cudaStreamSynchronize(stream));
  CHECK_OK(cudaMalloc(&second, 4096));
  CHECK_OK(cudaFree(second));
  unsetenv("HT_EMULATED_MEMORY");
}

// ---- capture

cudaGraphExec_t capture(cudaStream_t stream, const std::vector<cudaError_t>& calls, size_t nodes) {
  for (cudaError_t e : calls) CHECK_OK(e);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  size_t count = 0;
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  CHECK_OK(cudaGraphGetNodes(graph, nullptr, &count));
  CHECK(count == nodes);
  CHECK_OK(cudaGraphInstantiate(&executable, graph, 0));
  CHECK_OK(cudaGraphDestroy(graph));
  return executable;
}

void test_replay() {
  const DeviceArray<int> device(kCount), out(kCount);
  const Stream stream;
  Pinned source(1);
  std::vector<int> pageable(kCount, 50);
  int what = 10;
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  const cudaGraphExec_t executable = capture(stream,
      {cudaMemcpyAsync(device.data(), source.data(), bytes(), cudaMemcpyHostToDevice, stream), add(device.data(), out.data(), what, stream)}, 2);
  CHECK(all(out.read(), -1), "a capture runs nothing");
  what = 20;  // frozen at 10
  for (int round = 1; round <= 3; ++round) {
    source.fill(round);  // read at each replay
    CHECK_OK(cudaGraphLaunch(executable, stream));
    CHECK_OK(cudaStreamSynchronize(stream));
    CHECK(all(out.read(), round + 10));
  }
  CHECK_OK(cudaGraphLaunch(executable, stream));
  CHECK_OK(cudaGraphExecDestroy(executable));
  source.fill(9);
  CHECK(all(out.read(), 19), "a launch outlives its graph");
  CHECK(cudaGraphLaunch(executable, stream) == cudaErrorInvalidResourceHandle);
  cudaGetLastError();

  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  const cudaGraphExec_t pageable_copy = capture(stream, {cudaMemcpyAsync(device.data(), pageable.data(), bytes(), cudaMemcpyHostToDevice, stream)}, 1);
  std::fill(pageable.begin(), pageable.end(), 60);
  CHECK_OK(cudaGraphLaunch(pageable_copy, stream));
  CHECK(all(device.read(), 60), "a captured copy reads pageable memory when it is replayed");
  CHECK_OK(cudaGraphExecDestroy(pageable_copy));
}

template <class F>
void illegal_while_capturing(const char* name, cudaError_t want, const F& f) {
  const Stream stream;
  cudaGraph_t graph = nullptr;
  cudaStreamCaptureStatus status;
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  CHECK(f(stream) == want, "%s", name);
  CHECK_OK(cudaStreamIsCapturing(stream, &status));
  CHECK(status == cudaStreamCaptureStatusInvalidated, "%s", name);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated && !graph, "%s", name);
  cudaGetLastError();
}

void test_illegal_in_capture() {
  const DeviceArray<int> device(std::vector<int>(kCount, 0));
  const Stream other;
  const Event event;
  CHECK_OK(cudaEventRecord(event, other));
  int host[kCount] = {};
  void* memory = nullptr;
  const cudaError_t unsupported = cudaErrorStreamCaptureUnsupported;
  illegal_while_capturing("cudaMalloc", unsupported, [&](cudaStream_t) { return cudaMalloc(&memory, 4); });
  illegal_while_capturing("cudaFree", unsupported, [&](cudaStream_t) { return cudaFree(device.data()); });
  illegal_while_capturing("cudaMallocHost", unsupported, [&](cudaStream_t) { return cudaMallocHost(&memory, 4); });
  illegal_while_capturing("cudaMallocAsync", unsupported, [&](cudaStream_t s) { return cudaMallocAsync(&memory, 4, s); });
  illegal_while_capturing("cudaMemcpy", unsupported, [&](cudaStream_t) { return cudaMemcpy(host, device.data(), bytes(), cudaMemcpyDeviceToHost); });
  illegal_while_capturing("cudaDeviceSynchronize", unsupported, [](cudaStream_t) { return cudaDeviceSynchronize(); });
  illegal_while_capturing("cudaStreamSynchronize", unsupported, [](cudaStream_t s) { return cudaStreamSynchronize(s); });
  illegal_while_capturing("cudaStreamQuery", unsupported, [](cudaStream_t s) { return cudaStreamQuery(s); });
  illegal_while_capturing("cudaEventSynchronize", unsupported, [&](cudaStream_t) { return cudaEventSynchronize(event); });
  illegal_while_capturing("legacy stream", unsupported, [&](cudaStream_t) { return add(device.data(), device.data(), 1, nullptr); });
  illegal_while_capturing("foreign event", cudaErrorStreamCaptureIsolation, [&](cudaStream_t s) { return cudaStreamWaitEvent(s, event); });
  CHECK(all(device.read(), 0));

  const Stream stream;
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorIllegalState);
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == unsupported);
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  CHECK_OK(cudaEventRecord(event, stream));
  std::thread([&] {  // what this thread does is its own affair, but for ending the capture
    const DeviceArray<int> mine(std::vector<int>(kCount, 1));
    CHECK(all(mine.read(), 1));
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureWrongThread);
  }).join();
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  CHECK(cudaEventQuery(event) == cudaErrorCapturedEvent);
  CHECK_OK(cudaGraphDestroy(graph));
  cudaGetLastError();
}

// ---- errors

__global__ void sharing_kernel() {
  SHARED(char, fixed, [20 << 10]);
  DYN_SHARED(char, more);
  fixed[threadIdx.x] = more[threadIdx.x] = 1;
}
__global__ void diverging_kernel() {
  if (threadIdx.x < 40) __syncthreads();
  else __syncthreads();
}
__global__ void throwing_kernel() {
  if (threadIdx.x == 3) throw 3;
  __syncthreads();
}
__global__ void overrunning_kernel(int* data) {
  if (blockIdx.x == 0 && threadIdx.x == 0) data[kCount + 1] = 1;
}
__global__ void big_kernel() {}

void test_launch_errors() {
  CHECK(says(dev::launch(big_kernel, dim3(1), dim3(1025), 0, nullptr), cudaErrorInvalidConfiguration, "1025 x 1 x 1 threads"));
  CHECK(says(dev::launch(big_kernel, dim3(1), dim3(1, 1, 65), 0, nullptr), cudaErrorInvalidConfiguration, "65 threads"));
  CHECK(says(dev::launch(big_kernel, dim3(1, 65536), dim3(32), 0, nullptr), cudaErrorInvalidConfiguration, "65536"));
  CHECK(says(dev::launch(big_kernel, dim3(0), dim3(32), 0, nullptr), cudaErrorInvalidConfiguration, "grid of 0"));
  CHECK(says(dev::launch(big_kernel, dim3(1), dim3(32), 50000, nullptr), cudaErrorInvalidValue, "may have 49152"));
  CHECK_OK(cudaFuncSetAttribute(big_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 50000));
  CHECK_OK(dev::launch(big_kernel, dim3(1), dim3(32), 50000, nullptr));
  CHECK(says(cudaFuncSetAttribute(big_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 200000), cudaErrorInvalidValue, "may have 166912"));
  CHECK_OK(cudaDeviceSynchronize());
  CHECK(cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(&says)) == cudaErrorInvalidResourceHandle);
  CHECK(cudaPeekAtLastError() == cudaErrorInvalidResourceHandle && cudaGetLastError() == cudaErrorInvalidResourceHandle);
  CHECK(cudaGetLastError() == cudaSuccess);
}

// Reported by the next call that waits, and by all that follow.
template <class... P>
void breaks_the_device(const char* text, size_t dynamic_shared, void (*kernel)(P...), P... arguments) {
  const DeviceArray<int> after(kCount);
  void* memory = nullptr;
  CHECK_OK(dev::launch(kernel, dim3(2), dim3(64), dynamic_shared, nullptr, arguments...));
  const cudaError_t e = cudaDeviceSynchronize();
  CHECK(e != cudaSuccess && std::strstr(cudaGetErrorString(e), text), "%s", cudaGetErrorString(e));
  CHECK(cudaGetLastError() == e && cudaGetLastError() == e && cudaMalloc(&memory, 4) == e && add(after.data(), after.data(), 1, nullptr) == e);
  ht_emulator_set_schedule(0);
  CHECK_OK(cudaDeviceSynchronize());
}

void test_faults_are_sticky() {
  const DeviceArray<int> device(kCount);
  breaks_the_device("divergent __syncthreads", 0, diverging_kernel);
  breaks_the_device("exception", 0, throwing_kernel);
  breaks_the_device("what the kernel has asked for", 40 << 10, sharing_kernel);
  CHECK_OK(cudaFuncSetAttribute(reinterpret_cast<const void*>(sharing_kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, 40 << 10));
  CHECK_OK(dev::launch(sharing_kernel, dim3(2), dim3(64), 40 << 10, nullptr));
  CHECK_OK(cudaDeviceSynchronize());
  if (!emulator::kAddressSanitizer) breaks_the_device("next to an allocation of 1024 bytes", 0, overrunning_kernel, device.data());
}

// ---- the environment

template <class F>
void with(const char* variable, const char* value, const F& f) {
  setenv(variable, value, 1);
  f();
  unsetenv(variable);
  cudaGetLastError();
}

void test_environment() {
  int n = 0;
  void* memory = nullptr;
  cudaDeviceProp p;
  CHECK_OK(cudaDriverGetVersion(&n));
  CHECK(n == 13000);
  CHECK_OK(cudaGetDeviceCount(&n));
  CHECK(n == 1);
  with("HT_EMULATED_DRIVER", "none", [&] {
    CHECK(cudaDriverGetVersion(&n) == cudaSuccess && n == 0);
    CHECK(cudaGetDeviceCount(&n) == cudaErrorInsufficientDriver && cudaMalloc(&memory, 4) == cudaErrorInsufficientDriver);
  });
  with("HT_EMULATED_DRIVER", "12.4", [&] {
    CHECK(cudaDriverGetVersion(&n) == cudaSuccess && n == 12040);
    CHECK(cudaGetDeviceCount(&n) == cudaErrorInsufficientDriver);
  });
  with("HT_EMULATED_DEVICES", "0", [&] { CHECK(cudaGetDeviceCount(&n) == cudaErrorNoDevice && n == 0); });
  with("HT_EMULATED_CAPABILITY", "7.5", [&] {
    CHECK_OK(cudaGetDeviceProperties(&p, 0));
    CHECK(p.major == 7 && p.minor == 5);
  });
  with("HT_EMULATED_CAPABILITY", "9.0", [&] {
    CHECK_OK(cudaDeviceGetAttribute(&n, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    CHECK(n == 227 << 10);
  });
  CHECK(cudaGetDeviceProperties(&p, 1) == cudaErrorInvalidDevice);
  cudaGetLastError();
}

// ---- threads of the host

void test_host_threads() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([i] {
      const Stream stream;
      Pinned from(i), to(-1);
      const DeviceArray<int> device(kCount);
      for (int round = 0; round < 5; ++round) {
        CHECK_OK(cudaMemcpyAsync(device.data(), from.data(), bytes(), cudaMemcpyHostToDevice, stream));
        CHECK_OK(add(device.data(), device.data(), round, stream));
        CHECK_OK(cudaMemcpyAsync(to.data(), device.data(), bytes(), cudaMemcpyDeviceToHost, stream));
        CHECK_OK(cudaStreamSynchronize(stream));
        CHECK(to.all(i + round));
      }
    });
  for (std::thread& t : threads) t.join();
}

}  // namespace

int main() {
  under_every_schedule([](const char*) {
    test_waits();
    test_staging();
    test_copies_and_fills();
    test_queries();
    test_legacy_stream();
    test_work_outlives_its_stream();
    test_foreign_work();
    test_memory_in_stream_order();
    test_replay();
  });
  test_memory();
  test_little_memory();
  test_illegal_in_capture();
  test_launch_errors();
  test_faults_are_sticky();
  test_environment();
  test_host_threads();
  return report("emulator_runtime_test");
}
