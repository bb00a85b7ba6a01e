// The stand-in cuBLAS against plain loops: transposes, types, batches, alpha and beta, stream order and capture, refusals.
//   emulator_cublas_test: opens libcublas.so.13 and libcublasLt.so.13 beside itself
#include <dlfcn.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <string>

#include "emulated.h"

namespace {

constexpr int kF32 = 0, kBf16 = 14, kCompute32F = 68, kTf32 = 77, kOk = 0, kInvalid = 7, kUnsupported = 15;

struct Library {
  void* handle = nullptr;
  explicit Library(const std::string& path) : handle(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) { CHECK(handle, "%s", handle ? "" : dlerror()); }
  template <class F>
  F* get(const char* name) const {
    void* f = dlsym(handle, name);
    CHECK(f, "%s is missing", name);
    return reinterpret_cast<F*>(f);
  }
};

std::string folder() {
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  const std::string self(path, n > 0 ? static_cast<size_t>(n) : 0);
  return self.substr(0, self.rfind('/') + 1);
}

struct Cublas {
  Library library{folder() + "libcublas.so.13"}, lt{folder() + "libcublasLt.so.13"};
  int (*create)(void**) = library.get<int(void**)>("cublasCreate_v2");
  int (*destroy)(void*) = library.get<int(void*)>("cublasDestroy_v2");
  int (*version)(void*, int*) = library.get<int(void*, int*)>("cublasGetVersion_v2");
  int (*set_stream)(void*, void*) = library.get<int(void*, void*)>("cublasSetStream_v2");
  int (*set_workspace)(void*, void*, size_t) = library.get<int(void*, void*, size_t)>("cublasSetWorkspace_v2");
  using Batched = int(void*, int, int, int, int, int, const void*, const void*, int, int, long long, const void*, int, int, long long, const void*, void*, int, int, long long, int, int, int);
  Batched* batched = library.get<Batched>("cublasGemmStridedBatchedEx");

  size_t (*lt_version)() = lt.get<size_t()>("cublasLtGetVersion");
  int (*lt_create)(void**) = lt.get<int(void**)>("cublasLtCreate");
  int (*lt_destroy)(void*) = lt.get<int(void*)>("cublasLtDestroy");
  int (*desc_create)(void**, int, int) = lt.get<int(void**, int, int)>("cublasLtMatmulDescCreate");
  int (*desc_destroy)(void*) = lt.get<int(void*)>("cublasLtMatmulDescDestroy");
  int (*desc_set)(void*, int, const void*, size_t) = lt.get<int(void*, int, const void*, size_t)>("cublasLtMatmulDescSetAttribute");
  int (*layout_create)(void**, int, uint64_t, uint64_t, int64_t) = lt.get<int(void**, int, uint64_t, uint64_t, int64_t)>("cublasLtMatrixLayoutCreate");
  int (*layout_destroy)(void*) = lt.get<int(void*)>("cublasLtMatrixLayoutDestroy");
  int (*preference_create)(void**) = lt.get<int(void**)>("cublasLtMatmulPreferenceCreate");
  int (*preference_destroy)(void*) = lt.get<int(void*)>("cublasLtMatmulPreferenceDestroy");
  int (*preference_set)(void*, int, const void*, size_t) = lt.get<int(void*, int, const void*, size_t)>("cublasLtMatmulPreferenceSetAttribute");
  using Choose = int(void*, void*, void*, void*, void*, void*, void*, int, void*, int*);
  Choose* choose = lt.get<Choose>("cublasLtMatmulAlgoGetHeuristic");
  using Matmul = int(void*, void*, const void*, const void*, void*, const void*, void*, const void*, const void*, void*, void*, void*, const void*, void*, size_t, void*);
  Matmul* matmul = lt.get<Matmul>("cublasLtMatmul");
};

// Column-major in device memory, as fp32 or bf16.
struct DeviceMatrix {
  int type;
  std::vector<float> values;  // as stored, rounded
  DeviceArray<unsigned char> memory;

  DeviceMatrix(int storage, int count, int seed) : type(storage), values(static_cast<size_t>(count)), memory(static_cast<size_t>(count) * (storage == kBf16 ? 2 : 4)) {
    for (int i = 0; i < count; ++i) {
      const float v = static_cast<float>((i * 31 + seed * 17) % 23 - 11) / 8;
      values[static_cast<size_t>(i)] = type == kBf16 ? float(__nv_bfloat16(v)) : v;
    }
    std::vector<unsigned char> bytes(memory.bytes());
    for (size_t i = 0; i < values.size(); ++i) {
      const __nv_bfloat16 narrow(values[i]);
      if (type == kBf16) std::memcpy(&bytes[2 * i], &narrow, 2);
      else std::memcpy(&bytes[4 * i], &values[i], 4);
    }
    CHECK_OK(cudaMemcpy(memory.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
  }
  std::vector<float> read() const {
    const std::vector<unsigned char> bytes = memory.read();
    std::vector<float> v(values.size());
    for (size_t i = 0; i < v.size(); ++i) {
      __nv_bfloat16 narrow;
      if (type == kBf16) std::memcpy(&narrow, &bytes[2 * i], 2);
      if (type == kBf16) v[i] = narrow;
      else std::memcpy(&v[i], &bytes[4 * i], 4);
    }
    return v;
  }
};

struct Shape {
  int m, n, k, ta, tb, batch;
  int lda() const { return (ta ? k : m) + 2; }
  int ldb() const { return (tb ? n : k) + 1; }
  int ldc() const { return m + 3; }
  int size_a() const { return lda() * (ta ? m : k); }
  int size_b() const { return ldb() * (tb ? k : n); }
  int size_c() const { return ldc() * n; }
};

std::vector<float> expected(const Shape& s, const DeviceMatrix& a, const DeviceMatrix& b, const DeviceMatrix& c, float alpha, float beta) {
  std::vector<float> want = c.values;
  for (int batch = 0; batch < s.batch; ++batch)
    for (int j = 0; j < s.n; ++j)
      for (int i = 0; i < s.m; ++i) {
        double sum = 0;
        for (int l = 0; l < s.k; ++l)
          sum += static_cast<double>(a.values[static_cast<size_t>(batch * s.size_a() + (s.ta ? l + i * s.lda() : i + l * s.lda()))]) *
                 b.values[static_cast<size_t>(batch * s.size_b() + (s.tb ? j + l * s.ldb() : l + j * s.ldb()))];
        float& w = want[static_cast<size_t>(batch * s.size_c() + i + j * s.ldc())];
        w = static_cast<float>(alpha * sum + beta * w);
      }
  return want;
}

bool close(const std::vector<float>& got, const std::vector<float>& want, int type) {
  for (size_t i = 0; i < want.size(); ++i)
    if (!(std::fabs(got[i] - want[i]) <= (type == kBf16 ? 8e-3f : 1e-5f) * (1 + std::fabs(want[i])))) return false;
  return true;
}

class Test {
 public:
  Test() {
    CHECK_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CHECK(f.create(&handle) == kOk && f.lt_create(&lt) == kOk && f.set_stream(handle, stream) == kOk);
    CHECK(f.set_workspace(handle, workspace.data(), workspace.bytes()) == kOk);
  }
  ~Test() {
    f.destroy(handle);
    f.lt_destroy(lt);
    cudaStreamDestroy(stream);
  }

  int gemm(const Shape& s, const DeviceMatrix& a, const DeviceMatrix& b, const DeviceMatrix& c, float alpha, float beta, int compute = kCompute32F) const {
    return f.batched(handle, s.ta, s.tb, s.m, s.n, s.k, &alpha, a.memory.data(), a.type, s.lda(), s.size_a(), b.memory.data(), b.type, s.ldb(), s.size_b(), &beta, c.memory.data(), c.type, s.ldc(),
                     s.size_c(), s.batch, compute, -1);
  }

  // `align`: what the preference promises of every pointer; `offset`: bytes that the product's a is moved by.
  int lt_gemm(const Shape& s, const DeviceMatrix& a, const DeviceMatrix& b, const DeviceMatrix& c, float alpha, float beta, uint32_t align = 16, int offset = 0) const {
    void *desc = nullptr, *la = nullptr, *lb = nullptr, *lc = nullptr, *preference = nullptr;
    const int32_t ta = s.ta, tb = s.tb;
    const uint64_t bytes = workspace.bytes();
    f.desc_create(&desc, kCompute32F, kF32);
    CHECK(f.desc_set(desc, 3, &ta, sizeof ta) == kOk && f.desc_set(desc, 4, &tb, sizeof tb) == kOk && f.desc_set(desc, 3, &ta, 8) == kInvalid);
    const auto layout = [&](void** l, int type, int rows, int columns, int ld) { f.layout_create(l, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), ld); };
    layout(&la, a.type, s.ta ? s.k : s.m, s.ta ? s.m : s.k, s.lda());
    layout(&lb, b.type, s.tb ? s.n : s.k, s.tb ? s.k : s.n, s.ldb());
    layout(&lc, c.type, s.m, s.n, s.ldc());
    f.preference_create(&preference);
    CHECK(f.preference_set(preference, 1, &bytes, sizeof bytes) == kOk);
    for (int attribute = 5; attribute <= 8; ++attribute) CHECK(f.preference_set(preference, attribute, &align, sizeof align) == kOk);
    alignas(8) unsigned char chosen[96];
    int found = 0;
    int status = f.choose(lt, desc, la, lb, lc, lc, preference, 1, chosen, &found);
    if (status == kOk && found == 1)
      status = f.matmul(lt, desc, &alpha, a.memory.data() + offset, la, b.memory.data(), lb, &beta, c.memory.data(), lc, c.memory.data(), lc, chosen, workspace.data(), workspace.bytes(), stream);
    f.preference_destroy(preference);
    for (void* l : {la, lb, lc}) f.layout_destroy(l);
    f.desc_destroy(desc);
    return status;
  }

  void products() {
    const int types[][2] = {{kF32, kF32}, {kBf16, kBf16}, {kBf16, kF32}};
    for (const auto& [in, out] : types)
      for (int transposes = 0; transposes < 4; ++transposes)
        for (int batch : {1, 3}) {
          const Shape s{5, 7, 9, transposes & 1, transposes >> 1, batch};
          const DeviceMatrix a(in, s.size_a() * batch, 1), b(in, s.size_b() * batch, 2), c(out, s.size_c() * batch, 3), d(out, s.size_c() * batch, 3);
          CHECK(gemm(s, a, b, c, 0.5f, 2) == kOk);
          CHECK(close(c.read(), expected(s, a, b, c, 0.5f, 2), out), "types %d %d, transposes %d, batch %d", in, out, transposes, batch);
          if (batch > 1) continue;
          CHECK(lt_gemm(s, a, b, d, 2, 0) == kOk);
          CHECK(close(d.read(), expected(s, a, b, d, 2, 0), out), "Lt: types %d %d, transposes %d", in, out, transposes);
        }
    for (unsigned char byte : workspace.read()) CHECK(byte == 0xFF);
  }

  // In stream order, with alpha of the moment of the call; captured, and replayed with the operands of then.
  void order() {
    const Shape s{4, 4, 4, 0, 0, 1};
    const DeviceMatrix a(kF32, s.size_a(), 1), b(kF32, s.size_b(), 2), c(kF32, s.size_c(), 3);
    float alpha = 1;
    const float beta = 0;
    const auto run = [&] { return f.batched(handle, 0, 0, 4, 4, 4, &alpha, a.memory.data(), kF32, s.lda(), 0, b.memory.data(), kF32, s.ldb(), 0, &beta, c.memory.data(), kF32, s.ldc(), 0, 1, kCompute32F, -1); };
    const std::vector<float> product = expected(s, a, b, c, 1, 0), before = c.values;
    std::vector<float> now(c.values.size());
    const auto host_sees = [&] {
      CHECK_OK(cudaMemcpy(now.data(), c.memory.data(), c.memory.bytes(), cudaMemcpyDeviceToHost));
      return now;
    };
    CHECK(run() == kOk);
    alpha = 100;
    CHECK(host_sees() == before, "enqueued, not run");
    CHECK_OK(cudaStreamSynchronize(stream));
    CHECK(close(host_sees(), product, kF32));
    alpha = 1;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    CHECK(run() == kOk);
    CHECK_OK(cudaStreamEndCapture(stream, &graph));
    CHECK_OK(cudaGraphInstantiate(&executable, graph, 0));
    CHECK_OK(cudaGraphDestroy(graph));
    for (int round = 0; round < 2; ++round) {
      CHECK_OK(cudaMemset(c.memory.data(), 0, c.memory.bytes()));
      CHECK_OK(cudaDeviceSynchronize());
      CHECK_OK(cudaGraphLaunch(executable, stream));
      CHECK_OK(cudaStreamSynchronize(stream));
      CHECK(host_sees()[0] == product[0] && product[0] != 0);
    }
    CHECK_OK(cudaGraphExecDestroy(executable));
  }

  void refusals() {
    int version = 0;
    CHECK(f.version(handle, &version) == kOk && version / 10000 == 13 && f.lt_version() / 10000 == 13);
    const Shape s{4, 4, 4, 0, 0, 1};
    const DeviceMatrix a(kF32, s.size_a(), 1), narrow(kBf16, s.size_b(), 2), b(kF32, s.size_b(), 2), c(kF32, s.size_c(), 3), small(kF32, 5, 1), out(kBf16, s.size_c(), 3);
    CHECK(gemm(s, a, narrow, c, 1, 0) == kUnsupported, "mixed operands");
    CHECK(gemm(s, a, b, out, 1, 0) == kUnsupported, "fp32 to bf16");
    CHECK(gemm(s, narrow, narrow, c, 1, 0, kTf32) == kUnsupported);
    CHECK(gemm(s, a, b, small, 1, 0) == kInvalid, "leaves its allocation");
    CHECK(lt_gemm(s, a, narrow, c, 1, 0) == kUnsupported);
    CHECK(lt_gemm({4, 0, 4, 0, 0, 1}, a, b, c, 1, 0) == kUnsupported, "empty");
    CHECK(lt_gemm({2, 4, 4, 0, 0, 1}, a, b, c, 1, 0, 16, 4) == kInvalid, "less aligned than the algorithm was asked for");
    CHECK(lt_gemm({2, 4, 4, 0, 0, 1}, a, b, c, 1, 0, 4, 4) == kOk);
    CHECK(gemm(s, a, b, c, 1, 0, kTf32) == kOk);
    f.set_stream(handle, nullptr);
    CHECK(gemm(s, a, b, c, 1, 0) == kInvalid, "the legacy stream");
    f.set_stream(handle, stream);
    CHECK_OK(cudaStreamSynchronize(stream));
  }

 private:
  Cublas f;
  DeviceArray<unsigned char> workspace{64 << 10};
  void *handle = nullptr, *lt = nullptr;
  cudaStream_t stream = nullptr;
};

}  // namespace

int main() {
  Test test;
  test.products();
  test.order();
  test.refusals();
  return report("emulator_cublas_test");
}
