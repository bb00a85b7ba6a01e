// The row-major products of native/cuda/blas.cc against plain loops, through the stand-in cuBLAS, which is column-major as the
// real one: every way the operands can lie, types, strides, alpha and beta. blas_test <folder of the stand-in>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/error.h"
#include "core/tensor.h"
#include "cuda/blas.h"
#include "cuda/error.h"
#include "cuda/gemm.h"

namespace ht::cuda {
namespace {

int failed = 0, passed = 0;

void expect(bool ok, const std::string& what) {
  ok ? ++passed : ++failed;
  if (!ok) std::fprintf(stderr, "blas_test: %s\n", what.c_str());
}

// Small integers: exact in every type and order of sums.
double value(int64_t i) { return static_cast<double>((i * 7 + 3) % 11 - 5); }

// A matrix on the device, in either order, with room behind each row or column.
class Stored {
 public:
  Stored(DType dtype, int64_t rows, int64_t columns, bool by_rows, int64_t pad, int64_t first) : dtype_(dtype), by_rows_(by_rows), ld_((by_rows ? columns : rows) + pad) {
    host_.resize(static_cast<size_t>(first + ld_ * (by_rows ? rows : columns)) * dtype_size(dtype));
    first_ = first;
    check(cudaMalloc(&device_, host_.size()), "test");
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) element(host_).set(at(i, j), value(i * columns + j));
    check(cudaMemcpy(device_, host_.data(), host_.size(), cudaMemcpyHostToDevice), "test");
  }
  ~Stored() { cudaFree(device_); }
  Stored(const Stored&) = delete;

  Matrix matrix() const { return {static_cast<char*>(device_) + static_cast<size_t>(first_) * dtype_size(dtype_), dtype_, by_rows_ ? ld_ : 1, by_rows_ ? 1 : ld_}; }
  int64_t stride() const { return ld_; }
  void* data() { return static_cast<char*>(device_) + static_cast<size_t>(first_) * dtype_size(dtype_); }
  double before(int64_t i, int64_t j) { return element(host_).get(at(i, j)); }
  std::vector<char> download(cudaStream_t stream) {
    check(cudaStreamSynchronize(stream), "test");
    std::vector<char> out(host_.size());
    check(cudaMemcpy(out.data(), device_, out.size(), cudaMemcpyDeviceToHost), "test");
    return out;
  }
  double in(std::vector<char>& bytes, int64_t i, int64_t j) { return element(bytes).get(at(i, j)); }
  // What lies between the rows is as it was.
  bool same_padding(std::vector<char>& bytes, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) element(bytes).set(at(i, j), before(i, j));
    return bytes == host_;
  }

 private:
  Tensor element(std::vector<char>& bytes) const {
    Tensor t;
    t.data = bytes.data();
    t.dtype = dtype_;
    return t;
  }
  int64_t at(int64_t i, int64_t j) const { return first_ + (by_rows_ ? i * ld_ + j : j * ld_ + i); }

  DType dtype_;
  bool by_rows_;
  int64_t ld_, first_ = 0;
  std::vector<char> host_;
  void* device_ = nullptr;
};

struct Types {
  DType operands, result;
  const char* name;
};

void test_product(Blas& blas, cudaStream_t stream, int64_t m, int64_t n, int64_t k, bool a_rows, bool b_rows, const Types& types, int64_t pad, int64_t first, float alpha, float beta) {
  Stored a(types.operands, m, k, a_rows, pad, first), b(types.operands, k, n, b_rows, pad, first), c(types.result, m, n, true, pad, first);
  const Gemm g{m, n, k, a.matrix(), b.matrix(), c.data(), types.result, c.stride(), alpha, beta};
  const std::string name = format("%lld x %lld x %lld %s, a by %s, b by %s, padded by %lld from %lld, alpha %g beta %g", static_cast<long long>(m), static_cast<long long>(n), static_cast<long long>(k), types.name,
                                  a_rows ? "rows" : "columns", b_rows ? "rows" : "columns", static_cast<long long>(pad), static_cast<long long>(first), alpha, beta);
  expect(Blas::takes(g), name + " is not taken");
  blas.gemm(g);
  std::vector<char> after = c.download(stream);
  bool equal = true;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l) sum += a.before(i, l) * b.before(l, j);
      sum = alpha * sum + (beta != 0 ? beta * c.before(i, j) : 0);
      const double tolerance = types.result == DType::BF16 ? std::fabs(sum) / 256 : 0;
      equal = equal && std::fabs(c.in(after, i, j) - sum) <= tolerance;
    }
  expect(equal, name);
  expect(c.same_padding(after, m, n), name + " writes beside c");
}

void test_products() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream), "test");
  Blas blas(stream);
  expect(blas.describe().rfind("cuBLAS 13", 0) == 0, blas.describe());
  const Types all[] = {{DType::F32, DType::F32, "f32"}, {DType::BF16, DType::BF16, "bf16"}, {DType::BF16, DType::F32, "bf16 into f32"}};
  const int64_t sizes[][3] = {{5, 7, 9}, {1, 8, 16}, {8, 1, 3}, {16, 4, 1}, {1, 1, 1}, {32, 24, 40}};
  for (const auto& s : sizes)
    for (const Types& types : all)
      for (int layout = 0; layout < 4; ++layout)
        for (int64_t pad : {0, 3})
          for (float beta : {0.0f, 1.0f, -0.5f})
            for (int64_t first : {0, 1}) test_product(blas, stream, s[0], s[1], s[2], layout & 1, layout & 2, types, pad, first, beta == 0 ? 1.0f : 2.0f, beta);
  check(cudaStreamSynchronize(stream), "test");
}

void test_what_is_taken() {
  char byte;
  const auto gemm = [&](int64_t m, int64_t k, DType a, DType b, DType c) { return Gemm{m, 4, k, {&byte, a, k, 1}, {&byte, b, 4, 1}, &byte, c, 4, 1, 0}; };
  expect(Blas::takes(gemm(3, 4, DType::BF16, DType::BF16, DType::F32)), "bf16 into f32");
  expect(!Blas::takes(gemm(3, 4, DType::BF16, DType::F32, DType::F32)), "operands of two types");
  expect(!Blas::takes(gemm(3, 4, DType::F32, DType::F32, DType::BF16)), "f32 into bf16");
  expect(!Blas::takes(gemm(0, 4, DType::F32, DType::F32, DType::F32)), "no rows");
  expect(!Blas::takes(gemm(3, 0, DType::F32, DType::F32, DType::F32)), "no columns to sum over");
  expect(!Blas::takes(gemm(int64_t{1} << 31, 4, DType::F32, DType::F32, DType::F32)), "more than an int counts");
}

// The status, and that the text says `said`.
void expect_failure(const char* place, HtStatus status, const char* said) {
  setenv("HYPERTUNE_CUBLAS", place, 1);
  try {
    cublas::open_library();
    expect(false, std::string(place) + " opens");
  } catch (const Failure& f) {
    expect(f.status == status && f.text.find(said) != std::string::npos, std::string(place) + ": " + f.text);
  }
}

}  // namespace
}  // namespace ht::cuda

int main(int argc, char** argv) {
  using namespace ht::cuda;
  const std::string folder = argc > 1 ? argv[1] : std::string(argv[0]).substr(0, std::string(argv[0]).rfind('/'));
  try {
    setenv("HYPERTUNE_CUBLAS", folder.c_str(), 1);
    test_products();
    setenv("HT_STAND_IN_NO_ALGORITHM", "1", 1);
    test_products();  // through cublasGemmEx
    test_what_is_taken();
    setenv("HYPERTUNE_CUBLAS", (folder + "/libcublas.so.13").c_str(), 1);
    expect(cublas::open_library().path == folder + "/libcublas.so.13", "a file is opened as it is named");
    expect_failure("/nowhere", HT_NO_CUBLAS, "/nowhere");
    expect_failure((folder + "/cublas-12").c_str(), HT_CUBLAS_VERSION, "is cuBLAS 12");
  } catch (const Failure& f) {
    std::fprintf(stderr, "blas_test: %s\n", f.text.c_str());
    return 2;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
