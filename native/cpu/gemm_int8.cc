#include "cpu/gemm_int8.h"

#include <algorithm>

#include "cpu/gemm_int8_kernels.h"
#include "cpu/gemm_pack.h"
#include "cpu/threads.h"

namespace ht::cpu {
namespace {

constexpr int64_t kBlockBytes = 256 << 10;  // of x that one job covers: half of a 512 KiB L2
constexpr int64_t kJobCols = 64;            // columns of y that one job covers, when there are jobs enough
constexpr int64_t kJobBytes = 64 << 10;     // of weights that one job reads when rows are few
constexpr int64_t kSerialWork = 1 << 17;    // multiply-adds below which waking a thread costs more than it gains

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Int8Rows::Int8Rows(const Matrix& x, float alpha)
    : rows_(x.rows), depth_(x.cols), tiles_(ceil_div(x.rows, int8_kernels(active_isa()).mr)), quads_(ceil_div(x.cols, 4)),
      row_bytes_(quads_ * 4 * static_cast<int64_t>(int8_kernels(active_isa()).x_bytes)), values_(static_cast<size_t>(rows_ * row_bytes_)), scales_(static_cast<size_t>(rows_) * sizeof(float)), sums_(static_cast<size_t>(rows_) * sizeof(int32_t)) {
  const Isa isa = active_isa();
  const Int8Kernels& kernels = int8_kernels(isa);
  const auto pack = [&](int64_t tile, int) {
    const int64_t m0 = tile_begin(tile), m1 = tile_begin(tile + 1);
    const Workspace rows(static_cast<size_t>((m1 - m0) * depth_));
    for (int64_t m = m0; m < m1; ++m) {
      const auto* row = static_cast<const char*>(x.data) + m * x.row_stride * static_cast<int64_t>(dtype_size(x.dtype));
      kernels.quantize(row, x.dtype, depth_, rows.as<int8_t>() + (m - m0) * depth_, sums_.as<int32_t>() + m, scales_.as<float>() + m);
      scales_.as<float>()[m] *= alpha;
    }
    const int count = static_cast<int>(m1 - m0);
    const int64_t n = count * quads_ * 4;
    const Workspace bytes(kernels.x_bytes == 1 ? 0 : static_cast<size_t>(n));
    int8_t* const place = values_.as<int8_t>() + m0 * row_bytes_;
    int8_t* const packed = kernels.x_bytes == 1 ? place : bytes.as<int8_t>();
    gemm_pack(isa).quads({rows.as<int8_t>(), DType::I8, depth_, 1, count, depth_}, packed, count, 0);
    if (packed != place) std::copy_n(packed, n, reinterpret_cast<int16_t*>(place));
  };
  if (rows_ * depth_ <= kSerialWork) {
    for (int64_t tile = 0; tile < tiles_; ++tile) pack(tile, 0);
  } else {
    parallel(tiles_, pack);
  }
}

// One gemm_int8() call: how it is cut, then its jobs. The cut depends on the shape and the instruction set only.
struct Int8Call {
  Int8Call(const Int8Rows& x_in, const Matrix& w_in, const float* w_scale_in, const MatrixOut& y_in, const Int8Options& options_in)
      : x(x_in), w(w_in), w_scale(w_scale_in), y(y_in), options(options_in), isa(active_isa()), kernels(int8_kernels(isa)) {
    if (options.packed_w && options.packed_w->usable()) packed = static_cast<const int8_t*>(options.packed_w->data_.get());
    panel_bytes = std::max<int64_t>(4, x.quads_ * 4) * kernels.nr;
    panels = ceil_div(y.cols, kernels.nr);
    block_tiles = std::clamp<int64_t>(kBlockBytes / std::max<int64_t>(1, x.row_bytes_ * kernels.mr), 1, 32);
    blocks = ceil_div(x.tiles_, block_tiles);
    if (y.rows * y.cols * x.depth_ <= kSerialWork) {
      job_panels = panels;
    } else if (y.rows <= 2 * kernels.mr) {
      job_panels = std::max<int64_t>(1, kJobBytes / panel_bytes);
    } else {
      job_panels = kJobCols / kernels.nr;
      while (job_panels > 1 && blocks * ceil_div(panels, job_panels) < 32) job_panels /= 2;
    }
    job_columns = ceil_div(panels, job_panels);
  }

  void run() const {
    parallel(blocks * job_columns, [&](int64_t job, int) { compute(job / job_columns, job % job_columns); });
  }

 private:
  void compute(int64_t block, int64_t column) const {
    const int64_t first = block * block_tiles, end = std::min(x.tiles_, first + block_tiles);
    const int64_t first_panel = column * job_panels, end_panel = std::min(panels, first_panel + job_panels);
    {
      const Workspace buffer(packed ? 0 : static_cast<size_t>(panel_bytes));
      for (int64_t p = first_panel; p < end_panel; ++p) {
        const int8_t* const panel = packed ? packed + p * panel_bytes : pack_panel(p, buffer.as<int8_t>());
        for (int64_t t = first; t < end; ++t) multiply(t, p, panel);
      }
    }
    if (options.epilogue) options.epilogue(x.tile_begin(first), x.tile_begin(end), first_panel * kernels.nr, std::min(y.cols, end_panel * kernels.nr));
  }

  const int8_t* pack_panel(int64_t panel, int8_t* buffer) const {
    const int64_t n0 = panel * kernels.nr;
    const int count = static_cast<int>(std::min<int64_t>(kernels.nr, y.cols - n0));
    gemm_pack(isa).quads({static_cast<const int8_t*>(w.data) + n0 * w.row_stride, DType::I8, w.row_stride, 1, count, w.cols}, buffer, kernels.nr, kernels.flip);
    return buffer;
  }

  void multiply(int64_t tile, int64_t panel, const int8_t* w_panel) const {
    const int64_t m0 = x.tile_begin(tile), n0 = panel * kernels.nr;
    Int8TileArgs t;
    t.quads = x.quads_;
    t.x = x.values_.as<int8_t>() + m0 * x.row_bytes_;
    t.w = w_panel;
    t.x_sum = x.sums_.as<int32_t>() + m0;
    t.x_scale = x.scales_.as<float>() + m0;
    t.w_scale = w_scale + n0;
    t.y = static_cast<char*>(y.data) + (m0 * y.row_stride + n0) * static_cast<int64_t>(dtype_size(y.dtype));
    t.y_dtype = y.dtype;
    t.ldy = y.row_stride;
    t.rows = static_cast<int>(x.tile_begin(tile + 1) - m0);
    t.cols = static_cast<int>(std::min<int64_t>(kernels.nr, y.cols - n0));
    kernels.tile(t);
  }

  const Int8Rows& x;
  const Matrix w;
  const float* const w_scale;
  const MatrixOut y;
  const Int8Options& options;
  const Isa isa;
  const Int8Kernels& kernels;
  const int8_t* packed = nullptr;
  int64_t panel_bytes, panels, block_tiles, blocks, job_panels, job_columns;
};

void gemm_int8(const Int8Rows& x, const Matrix& w, const float* w_scale, const MatrixOut& y, const Int8Options& options) {
  if (y.rows > 0 && y.cols > 0) Int8Call(x, w, w_scale, y, options).run();
}

}  // namespace ht::cpu
