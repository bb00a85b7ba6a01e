#include "cpu/gemm_rows.h"

#include <algorithm>

#include "cpu/gemm_kernels.h"
#include "cpu/gemm_pack.h"
#include "cpu/threads.h"
#include "cpu/workspace.h"

namespace ht::cpu {
namespace {

constexpr int64_t kMaxRows = 8;
constexpr int64_t kJobBytes = 64 << 10;  // of weights that one job reads

const char* byte_offset(const Matrix& x, int64_t elements) {
  return static_cast<const char*>(x.data) + elements * static_cast<int64_t>(dtype_size(x.dtype));
}

}  // namespace

bool gemm_few_rows(const Matrix& a, const Matrix& b, const MatrixOut& c, const GemmOptions& options) {
  const int64_t m = c.rows, n = c.cols, k = a.cols;
  if (m > kMaxRows || b.row_stride != 1 || k == 0) return false;
  const Isa isa = active_isa();
  const GemmKernels& kernels = gemm_kernels(isa);

  // A as fp32 rows, one after the other.
  const bool direct = a.dtype == DType::F32 && a.col_stride == 1 && (m == 1 || a.row_stride == k);
  const Workspace memory(direct ? 0 : static_cast<size_t>(m * k) * 4);
  if (!direct) {
    for (int64_t i = 0; i < m; ++i) {
      const Strip row{byte_offset(a, i * a.row_stride), a.dtype, a.row_stride, a.col_stride, 1, k};
      gemm_pack(isa).f32(row, memory.as<float>() + i * k, 1);
    }
  }
  const float* const rows = direct ? static_cast<const float*>(a.data) : memory.as<float>();

  const bool narrow = c.dtype == DType::BF16;
  const int64_t column_bytes = k * static_cast<int64_t>(dtype_size(b.dtype));
  const int64_t job_cols = std::max<int64_t>(16, kJobBytes / column_bytes / 16 * 16);
  parallel((n + job_cols - 1) / job_cols, [&](int64_t job, int) {
    const int64_t n0 = job * job_cols, n1 = std::min(n, n0 + job_cols), cols = n1 - n0;
    {
      const Workspace sums(narrow ? static_cast<size_t>(m * cols) * 4 : 0);
      RowsArgs t{k, rows, byte_offset(b, n0 * b.col_stride), b.col_stride, nullptr, 0, static_cast<int>(m), cols, options.alpha, options.accumulate};
      t.c = narrow ? sums.as<float>() : static_cast<float*>(c.data) + n0;
      t.ldc = narrow ? cols : c.row_stride;
      const auto out = [&](int64_t i) { return static_cast<bf16_t*>(c.data) + i * c.row_stride + n0; };
      if (narrow && options.accumulate) {
        for (int64_t i = 0; i < m; ++i) kernels.widen(out(i), t.c + i * cols, cols);
      }
      (b.dtype == DType::BF16 ? kernels.rows_bf16 : kernels.rows_f32)(t);
      if (narrow) {
        for (int64_t i = 0; i < m; ++i) kernels.narrow(t.c + i * cols, out(i), cols);
      }
    }
    if (options.epilogue) options.epilogue(0, m, n0, n1);
  });
  return true;
}

}  // namespace ht::cpu
