#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/gemm_int8_kernels.h"
#include "cpu/gemm_kernels.h"
#include "cpu/gemm_pack.h"
#include "cpu/gemm_rows.h"
#include "cpu/threads.h"
#include "cpu/workspace.h"

namespace ht::cpu {
namespace {

constexpr int64_t kRowBlock = 192;           // rows of A that one job covers: x kDepth they fit half of a 512 KiB L2
constexpr int64_t kDepth = 256;              // k per pass: a B panel of this depth fits half of the L1
constexpr int64_t kJobCols = 64;             // columns of C that one job covers, when there are jobs enough
constexpr int64_t kJobBytes = 64 << 10;      // of weights that one job reads when rows are few
constexpr int64_t kPackedABytes = 16 << 20;  // above this A is packed piece by piece
constexpr int64_t kPackedBBytes = 16 << 20;  // and so is B
constexpr int64_t kSharingBlocks = 3;        // row blocks from which on B is packed once for all; two blocks are too few to pay for the way through memory
constexpr int64_t kPrefetchBytes = 2048;     // within a panel; of 1, 2 and 4 KiB the fastest with cold weights at 1, 8 and 64 rows
constexpr int64_t kSerialWork = 1 << 16;     // multiply-adds below which waking a thread costs more than it gains

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Cuts `total` into `parts` almost equal parts, the larger ones first.
struct Even {
  int64_t total, parts;
  int64_t begin(int64_t i) const { return i * (total / parts) + std::min(i, total % parts); }
  int64_t size(int64_t i) const { return total / parts + (i < total % parts); }
};

// Panels hold 4-byte units: a float, or a bf16 pair of neighbouring k.
int64_t units(int64_t k, bool paired) { return paired ? (k + 1) / 2 : k; }

}  // namespace

// One gemm() call: how it is cut, then its jobs. The cut depends on the shape, dtypes and instruction set only.
struct GemmCall {
  GemmCall(const Matrix& a_in, const Matrix& b_in, const MatrixOut& c_in, const GemmOptions& options_in)
      : a(a_in), b(b_in), c(c_in), options(options_in), isa(active_isa()), kernels(gemm_kernels(isa)), pack(gemm_pack(isa)) {
    const int64_t m = c.rows, n = c.cols;
    k = a.cols;
    if (options.packed_b && options.packed_b->usable()) packed_b = static_cast<const char*>(options.packed_b->data_.get());
    paired_b = b.dtype == DType::BF16;
    paired_a = paired_b && a.dtype == DType::BF16 && kernels.pairs;
    kernel = paired_a ? kernels.pairs : paired_b ? kernels.f32_pairs : kernels.f32;

    row_blocks = ceil_div(m, kRowBlock);
    depth_blocks = m <= kernels.mr ? 1 : std::max<int64_t>(1, ceil_div(k, kDepth));
    depth = ceil_div(ceil_div(k, depth_blocks), 2) * 2;

    panels = ceil_div(n, kernels.nr);
    if (m * n * k <= kSerialWork) {
      job_panels = panels;
    } else if (m <= 2 * kernels.mr) {
      job_panels = std::max<int64_t>(1, kJobBytes / std::max<int64_t>(1, units(k, paired_b) * kernels.nr * 4));
    } else {
      job_panels = kJobCols / kernels.nr;
      while (job_panels > 1 && row_blocks * ceil_div(panels, job_panels) < 32) job_panels /= 2;
    }
    job_columns = ceil_div(panels, job_panels);
  }

  void run() {
    const int64_t row_bytes = std::max<int64_t>(4, units(k, paired_a) * 4);
    const Even rows{c.rows, row_blocks};
    const int64_t blocks_per_piece = std::max<int64_t>(1, kPackedABytes / (row_bytes * rows.size(0)));
    for (int64_t first = 0; first < row_blocks; first += blocks_per_piece) {
      const int64_t end = std::min(row_blocks, first + blocks_per_piece);
      packed_row0 = rows.begin(first);
      const int64_t packed_rows = rows.begin(end - 1) + rows.size(end - 1) - packed_row0;
      const Workspace memory(static_cast<size_t>(packed_rows * row_bytes));
      packed_a = memory.as<float>();
      pack_a(first, end);
      if (packed_b || end - first < kSharingBlocks) jobs(first, end, 0, job_columns);
      else share_b(first, end);
    }
  }

 private:
  int64_t depth_begin(int64_t block) const { return std::min(k, block * depth); }
  int64_t depth_size(int64_t block) const { return depth_begin(block + 1) - depth_begin(block); }
  Even rows() const { return {c.rows, row_blocks}; }
  Even tiles(int64_t row_block) const {
    const int64_t size = rows().size(row_block);
    return {size, ceil_div(size, kernels.mr)};
  }
  // Packed A: row block, then depth block, then tile.
  float* a_panel(int64_t row_block, int64_t depth_block, int64_t row_in_block) const {
    const int64_t block_rows = rows().size(row_block);
    return packed_a + (rows().begin(row_block) - packed_row0) * units(k, paired_a) + block_rows * units(depth_begin(depth_block), paired_a) +
           row_in_block * units(depth_size(depth_block), paired_a);
  }

  void jobs(int64_t first_row, int64_t end_row, int64_t first_column, int64_t end_column) const {
    const int64_t columns = end_column - first_column;
    parallel((end_row - first_row) * columns, [&](int64_t job, int) { compute(first_row + job / columns, first_column + job % columns); });
  }

  // Packs B, piece by piece, in the layout of a PackedB.
  void share_b(int64_t first_row, int64_t end_row) {
    const int64_t panel_floats = units(k, paired_b) * kernels.nr;
    const int64_t piece = std::max<int64_t>(1, kPackedBBytes / std::max<int64_t>(1, panel_floats * 4 * job_panels));
    for (int64_t column = 0; column < job_columns; column += piece) {
      const int64_t end_column = std::min(job_columns, column + piece);
      first_packed = column * job_panels;
      const int64_t count = std::min(panels, end_column * job_panels) - first_packed;
      const Workspace memory(static_cast<size_t>(count * panel_floats * 4));
      parallel(count, [&](int64_t i, int) { pack_b_panel(first_packed + i, 0, k, memory.as<float>() + i * panel_floats); });
      packed_b = memory.as<char>();
      jobs(first_row, end_row, column, end_column);
      packed_b = nullptr;
    }
  }

  void pack_a(int64_t first, int64_t end) {
    const auto pack_block = [&](int64_t index, int) {
      const int64_t row_block = first + index / depth_blocks, depth_block = index % depth_blocks;
      const Even cut = tiles(row_block);
      for (int64_t t = 0; t < cut.parts; ++t) {
        const int64_t row = rows().begin(row_block) + cut.begin(t);
        const Strip strip{element(a, row, depth_begin(depth_block)), a.dtype, a.row_stride, a.col_stride,
                          static_cast<int>(cut.size(t)), depth_size(depth_block)};
        float* panel = a_panel(row_block, depth_block, cut.begin(t));
        if (paired_a) pack.pairs(strip, reinterpret_cast<bf16_t*>(panel), strip.count);
        else pack.f32(strip, panel, strip.count);
      }
    };
    const int64_t count = (end - first) * depth_blocks;
    if (c.rows * k <= kSerialWork) {
      for (int64_t i = 0; i < count; ++i) pack_block(i, 0);
    } else {
      parallel(count, pack_block);
    }
  }

  // Packs, or finds, one panel of B at one depth.
  const float* b_panel(int64_t panel, int64_t depth_block, float* buffer) const {
    const int64_t k0 = depth_begin(depth_block);
    if (packed_b) {
      const int64_t offset = (panel - first_packed) * units(k, paired_b) + units(k0, paired_b);
      return reinterpret_cast<const float*>(packed_b) + offset * kernels.nr;
    }
    pack_b_panel(panel, k0, depth_size(depth_block), buffer);
    return buffer;
  }

  void pack_b_panel(int64_t panel, int64_t k0, int64_t count, float* to) const {
    const int64_t n0 = panel * kernels.nr;
    const Strip strip{element(b, k0, n0), b.dtype, b.col_stride, b.row_stride, static_cast<int>(std::min<int64_t>(kernels.nr, c.cols - n0)), count};
    if (paired_b) pack.pairs(strip, reinterpret_cast<bf16_t*>(to), kernels.nr);
    else pack.f32(strip, to, kernels.nr);
  }

  void compute(int64_t row_block, int64_t job_column) const {
    const int64_t m0 = rows().begin(row_block), m1 = m0 + rows().size(row_block);
    const int64_t first_panel = job_column * job_panels, end_panel = std::min(panels, first_panel + job_panels);
    const int64_t n0 = first_panel * kernels.nr, n1 = std::min(c.cols, end_panel * kernels.nr);
    {
      const bool narrow = c.dtype == DType::BF16;
      const int64_t b_floats = packed_b ? 0 : units(depth, paired_b) * kernels.nr;
      const Workspace memory(static_cast<size_t>((b_floats + (narrow ? (m1 - m0) * (n1 - n0) : 0)) * 4));
      float* const b_buffer = memory.as<float>();
      float* const sums = narrow ? b_buffer + b_floats : static_cast<float*>(c.data) + m0 * c.row_stride + n0;
      const int64_t sums_stride = narrow ? n1 - n0 : c.row_stride;

      if (narrow && options.accumulate) {
        for (int64_t i = 0; i < m1 - m0; ++i) kernels.widen(c_row(m0 + i) + n0, sums + i * sums_stride, n1 - n0);
      }
      const auto step = [&](int64_t panel, int64_t depth_block) {
        multiply(row_block, panel, depth_block, b_buffer, sums + (panel - first_panel) * kernels.nr, sums_stride);
      };
      // Few rows: B streams through once, in order. Many: a depth of A stays in the L2 while the panels pass.
      if (m1 - m0 <= 2 * kernels.mr) {
        for (int64_t p = first_panel; p < end_panel; ++p) {
          for (int64_t d = 0; d < depth_blocks; ++d) step(p, d);
        }
      } else {
        for (int64_t d = 0; d < depth_blocks; ++d) {
          for (int64_t p = first_panel; p < end_panel; ++p) step(p, d);
        }
      }
      if (narrow) {
        for (int64_t i = 0; i < m1 - m0; ++i) kernels.narrow(sums + i * sums_stride, c_row(m0 + i) + n0, n1 - n0);
      }
    }
    if (options.epilogue) options.epilogue(m0, m1, n0, n1);
  }

  void multiply(int64_t row_block, int64_t panel, int64_t depth_block, float* b_buffer, float* sums, int64_t sums_stride) const {
    TileArgs t;
    t.k = depth_size(depth_block);
    t.b = b_panel(panel, depth_block, b_buffer);
    t.ldc = sums_stride;
    t.cols = static_cast<int>(std::min<int64_t>(kernels.nr, c.cols - panel * kernels.nr));
    t.alpha = options.alpha;
    t.load_c = options.accumulate || depth_block > 0;
    const Even cut = tiles(row_block);
    const int64_t unit_bytes = kernels.nr * 4, chunk = units(t.k, paired_b) * unit_bytes, next = units(k, paired_b) * unit_bytes;
    for (int64_t i = 0; i < cut.parts; ++i) {
      // The first tile reads the panel from memory; while the others read it from the L1, the next panel comes, a part with each of them
      // (64 rows, cold fp32 weights, AVX2: 83 to 86 % of the peak before, 88 to 92 % with it). Two tiles have no time for that.
      const bool first = i == 0 || cut.parts <= 2 || !packed_b;
      t.ahead = static_cast<const char*>(t.b) + (first ? kPrefetchBytes : next + (i - 1) * chunk / (cut.parts - 1));
      t.ahead_step = first ? unit_bytes : unit_bytes / (cut.parts - 1);
      t.rows = static_cast<int>(cut.size(i));
      t.a = a_panel(row_block, depth_block, cut.begin(i));
      t.c = sums + cut.begin(i) * sums_stride;
      kernel(t);
    }
  }

  bf16_t* c_row(int64_t m) const { return static_cast<bf16_t*>(c.data) + m * c.row_stride; }

  static const void* element(const Matrix& x, int64_t i, int64_t j) {
    const int64_t offset = (i * x.row_stride + j * x.col_stride) * static_cast<int64_t>(dtype_size(x.dtype));
    return static_cast<const char*>(x.data) + offset;
  }

  const Matrix a, b;
  const MatrixOut c;
  const GemmOptions& options;
  const Isa isa;
  const GemmKernels& kernels;
  const GemmPack& pack;
  TileKernel kernel;
  const char* packed_b = nullptr;  // from panel first_packed on
  int64_t first_packed = 0;
  float* packed_a = nullptr;  // of the piece in work, from its row packed_row0 on
  int64_t packed_row0 = 0;
  bool paired_a, paired_b;
  int64_t k, row_blocks, depth_blocks, depth, panels, job_panels, job_columns;
};

bool PackedB::usable() const { return data_ && isa_ == active_isa(); }

PackedB pack_b(const Matrix& b) {
  PackedB packed;
  const Isa isa = active_isa();
  const bool int8 = b.dtype == DType::I8, paired = b.dtype == DType::BF16;
  const int nr = int8 ? int8_kernels(isa).nr : gemm_kernels(isa).nr;
  const GemmPack& pack = gemm_pack(isa);
  const int64_t panels = ceil_div(b.cols, nr), panel_floats = (int8 ? ceil_div(b.rows, 4) : units(b.rows, paired)) * nr;
  const size_t bytes = static_cast<size_t>(std::max<int64_t>(1, panels * panel_floats) * 4);
  void* const memory = aligned_alloc64(bytes);
  if (!memory) return packed;
  packed.data_ = std::shared_ptr<const void>(memory, [](const void* p) { aligned_free64(const_cast<void*>(p)); });
  packed.rows_ = b.rows;
  packed.cols_ = b.cols;
  packed.bytes_ = bytes;
  packed.dtype_ = b.dtype;
  packed.isa_ = isa;
  parallel(panels, [&](int64_t panel, int) {
    const int64_t n0 = panel * nr;
    const char* data = static_cast<const char*>(b.data) + n0 * b.col_stride * static_cast<int64_t>(dtype_size(b.dtype));
    const Strip strip{data, b.dtype, b.col_stride, b.row_stride, static_cast<int>(std::min<int64_t>(nr, b.cols - n0)), b.rows};
    float* const to = static_cast<float*>(memory) + panel * panel_floats;
    if (int8) pack.quads(strip, reinterpret_cast<int8_t*>(to), nr, int8_kernels(isa).flip);
    else if (paired) pack.pairs(strip, reinterpret_cast<bf16_t*>(to), nr);
    else pack.f32(strip, to, nr);
  });
  return packed;
}

void gemm(const Matrix& a, const Matrix& b, const MatrixOut& c, const GemmOptions& options) {
  if (c.rows <= 0 || c.cols <= 0) return;
  // One fp32 row reads four columns of B at a time: as fast as a panel where columns are short, up to 1.5 times as fast
  // where they are long, since several streams get more of the memory than one. With bf16 or more rows panels win.
  const bool packed = options.packed_b && options.packed_b->usable();
  const bool one_fp32_row = c.rows == 1 && b.dtype == DType::F32;
  if ((!packed || one_fp32_row) && gemm_few_rows(a, b, c, options)) return;
  GemmCall(a, b, c, options).run();
}

void gemm_batched(int64_t count, const FunctionRef<GemmTask(int64_t index)>& task) {
  parallel(count, [&](int64_t i, int) {
    const GemmTask t = task(i);
    GemmOptions options;
    options.alpha = t.alpha;
    options.accumulate = t.accumulate;
    gemm(t.a, t.b, t.c, options);
  });
}

}  // namespace ht::cpu
