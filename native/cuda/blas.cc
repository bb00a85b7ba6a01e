#include "cuda/blas.h"

#include <algorithm>
#include <climits>

#include "cuda/error.h"
#include "cuda/gemm.h"

namespace ht::cuda {

using namespace cublas;

namespace {

constexpr size_t kWorkspace = 32 << 20;  // what NVIDIA advises for 9.0; less keeps algorithms out
constexpr size_t kChoicesKept = 4096;
constexpr uint32_t kAlignment = 16;  // the most that algorithms ask for

void check(Status status, const char* what) {
  if (status == Status::Success) return;
  const bool memory = status == Status::AllocFailed;
  throw Failure{memory ? HT_NO_MEMORY : HT_FAILED, std::string(what) + ": cuBLAS returns status " + std::to_string(static_cast<int>(status))};
}

DataType type_of(DType t) { return t == DType::BF16 ? DataType::BF16 : DataType::F32; }

// One operand as cuBLAS sees it. Row-major c = a b is column-major c' = b' a', and a row-major matrix is the transpose of a
// column-major one already: an operand is transposed only where its rows, not its columns, have stride 1.
struct Operand {
  const void* data;
  DataType type;
  Operation operation;
  int64_t rows, columns, ld;  // as stored, column-major
};

// `rows` x `columns` of the row-major matrix.
Operand operand(const Matrix& m, int64_t rows, int64_t columns) {
  if (m.column_stride == 1) return {m.data, type_of(m.dtype), Operation::None, columns, rows, std::max(m.row_stride, columns)};
  return {m.data, type_of(m.dtype), Operation::Transpose, rows, columns, std::max(m.column_stride, rows)};
}

uint32_t alignment_of(const void* p, uint32_t element) {
  uint32_t alignment = kAlignment;
  while (alignment > element && reinterpret_cast<uintptr_t>(p) % alignment) alignment /= 2;
  return alignment;
}
uint32_t alignment_of(const Operand& o) { return alignment_of(o.data, o.type == DataType::BF16 ? 2 : 4); }

}  // namespace

// Descriptors of a product; `by_lt` is off where cuBLASLt has no algorithm for it.
struct Blas::Choice {
  const Functions& f;
  MatmulDesc desc = nullptr;
  MatrixLayout a = nullptr, b = nullptr, c = nullptr;
  LtAlgorithm algorithm;
  bool by_lt = false;

  explicit Choice(const Functions& functions) : f(functions) {}
  Choice(const Choice&) = delete;
  ~Choice() {
    for (MatrixLayout layout : {a, b, c})
      if (layout) f.layout_destroy(layout);
    if (desc) f.desc_destroy(desc);
  }
};

Blas::Blas(cudaStream_t stream) : library_(open_library()), stream_(stream) {
  const Functions& f = library_.functions;
  check(f.create(&handle_), "cublasCreate");
  check(f.lt_create(&lt_), "cublasLtCreate");
  cuda::check(cudaMalloc(&workspace_, kWorkspace), "workspace of cuBLAS");
  check(f.set_stream(handle_, stream_), "cublasSetStream");
  check(f.set_workspace(handle_, workspace_, kWorkspace), "cublasSetWorkspace");
  check(f.set_math_mode(handle_, Math::KeepPrecision), "cublasSetMathMode");
}

Blas::~Blas() {
  choices_.clear();
  if (lt_) library_.functions.lt_destroy(lt_);
  if (handle_) library_.functions.destroy(handle_);
  cudaFree(workspace_);
}

std::string Blas::describe() const { return "cuBLAS " + version_text(library_.version); }

bool Blas::takes(const Gemm& g) {
  if (g.m < 1 || g.n < 1 || g.k < 1 || g.a.dtype != g.b.dtype) return false;
  if (g.a.dtype != DType::BF16 && g.c_dtype != DType::F32) return false;
  const int64_t strides[] = {g.m, g.n, g.k, g.a.row_stride, g.a.column_stride, g.b.row_stride, g.b.column_stride, g.c_stride};
  return *std::max_element(std::begin(strides), std::end(strides)) <= INT_MAX;
}

Blas::Choice& Blas::choice(const Gemm& g) {
  const Operand a = operand(g.b, g.k, g.n), b = operand(g.a, g.m, g.k);
  const uint32_t align_a = alignment_of(a), align_b = alignment_of(b), align_c = alignment_of(g.c, g.c_dtype == DType::BF16 ? 2 : 4);
  const Key key{g.m, g.n, g.k, a.ld, b.ld, g.c_stride, int64_t{a.operation == Operation::Transpose} * 2 + (b.operation == Operation::Transpose),
                static_cast<int64_t>(a.type), static_cast<int64_t>(g.c_dtype), align_a, align_b, align_c};
  auto it = choices_.find(key);
  if (it != choices_.end()) return *it->second;
  if (choices_.size() == kChoicesKept) choices_.clear();

  const Functions& f = library_.functions;
  auto made = std::make_unique<Choice>(f);
  check(f.desc_create(&made->desc, Compute::F32, DataType::F32), "cublasLtMatmulDescCreate");
  check(f.desc_set(made->desc, DescAttribute::TransA, &a.operation, sizeof a.operation), "cublasLtMatmulDescSetAttribute");
  check(f.desc_set(made->desc, DescAttribute::TransB, &b.operation, sizeof b.operation), "cublasLtMatmulDescSetAttribute");
  check(f.layout_create(&made->a, a.type, static_cast<uint64_t>(a.rows), static_cast<uint64_t>(a.columns), a.ld), "cublasLtMatrixLayoutCreate");
  check(f.layout_create(&made->b, b.type, static_cast<uint64_t>(b.rows), static_cast<uint64_t>(b.columns), b.ld), "cublasLtMatrixLayoutCreate");
  check(f.layout_create(&made->c, type_of(g.c_dtype), static_cast<uint64_t>(g.n), static_cast<uint64_t>(g.m), std::max(g.c_stride, g.n)), "cublasLtMatrixLayoutCreate");

  struct Wish {
    PreferenceAttribute name;
    uint64_t value;
    size_t bytes;
  };
  const Wish wishes[] = {{PreferenceAttribute::MaxWorkspaceBytes, kWorkspace, 8}, {PreferenceAttribute::ReductionSchemeMask, static_cast<uint64_t>(ReductionScheme::ComputeType), 4},
                         {PreferenceAttribute::MinAlignmentA, align_a, 4}, {PreferenceAttribute::MinAlignmentB, align_b, 4},
                         {PreferenceAttribute::MinAlignmentC, align_c, 4}, {PreferenceAttribute::MinAlignmentD, align_c, 4}};
  Preference preference = nullptr;
  check(f.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
  Status status = Status::Success;
  for (const Wish& w : wishes)  // little-endian: the low bytes of a wider integer are the narrower one
    if (status == Status::Success) status = f.preference_set(preference, w.name, &w.value, w.bytes);
  Heuristic best{};
  int found = 0;
  if (status == Status::Success) status = f.heuristic(lt_, made->desc, made->a, made->b, made->c, made->c, preference, 1, &best, &found);
  f.preference_destroy(preference);
  if (status != Status::NotSupported) check(status, "cublasLtMatmulAlgoGetHeuristic");
  made->by_lt = status == Status::Success && found > 0 && best.state == Status::Success;
  made->algorithm = best.algorithm;
  return *choices_.emplace(key, std::move(made)).first->second;
}

void Blas::gemm(const Gemm& g) {
  const Functions& f = library_.functions;
  Choice& c = choice(g);
  if (c.by_lt)
    return check(f.matmul(lt_, c.desc, &g.alpha, g.b.data, c.a, g.a.data, c.b, &g.beta, g.c, c.c, g.c, c.c, &c.algorithm, workspace_, kWorkspace, stream_), "cublasLtMatmul");
  const Operand a = operand(g.b, g.k, g.n), b = operand(g.a, g.m, g.k);
  check(f.gemm_ex(handle_, a.operation, b.operation, static_cast<int>(g.n), static_cast<int>(g.m), static_cast<int>(g.k), &g.alpha, a.data, a.type, static_cast<int>(a.ld), b.data, b.type,
                  static_cast<int>(b.ld), &g.beta, g.c, type_of(g.c_dtype), static_cast<int>(std::max(g.c_stride, g.n)), Compute::F32, Algorithm::Default),
        "cublasGemmEx");
}

}  // namespace ht::cuda
