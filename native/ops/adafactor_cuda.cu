// Adafactor on the device. Formulas: adafactor_ref.cc.
//
// A matrix is cut into tiles of kTileColumns columns, four of them per lane, and some rows, which the warps of a block take in turn,
// kAhead at a time: row sums are sums over a warp, column sums stay in registers until the tile's end. The size of the update must
// be known before a parameter may move, so four launches follow one another:
//   sums     reads grad (and param where its own size scales the rate): sums of squares by tile row, by tile column, by block
//   moments  adds those of the tiles in order and moves row and col; small
//   size     reads grad: squares of the update, by block
//   move     reads grad, param, m; writes param, m, copy
// That is 20 bytes per element, 4 more for the parameter's size and 10 for m and a copy in bf16; grad comes from the second cache
// after the first time where it fits. There are at most kBlocks blocks, so every block of a launch can add up what those of the
// launches before left, and no launch does only that. Tiles depend on the shape alone, and so does the order of every sum.
// Vectors (adafactor_full) take two launches of the last kind, with the whole second moment in memory.
#include "core/ops_cuda.gen.h"
#include "cuda/launcher.h"
#include "cuda/types.h"
#include "ops/block_cuda.cuh"

namespace ht::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp, kQuad = 4, kTileColumns = kWarp * kQuad, kAhead = 4;
constexpr int64_t kBlocks = 1024, kVectorBlocks = 256, kLeastRows = 32;
static_assert(kAhead == 4, "four_warp_sums");
using Quad = Floats<kQuad>;

int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

// What an update needs besides its operands.
struct Step {
  const float *rates, *gscale;  // rates: learning rate, beta2
  float beta1, eps1, eps2, clip, decay, lr_scale;
  bool scale_parameter;
  float elements;

  template <class Op>
  static Step of(const Call& c) {
    return {data<float>(c.in[Op::rates]),      data<float>(c.in[Op::gscale]),       c.attr[Op::a_beta1].f,   c.attr[Op::a_eps1].f,
            c.attr[Op::a_eps2].f,              c.attr[Op::a_clip_threshold].f,      c.attr[Op::a_weight_decay].f, c.attr[Op::a_lr_scale].f,
            c.attr[Op::a_scale_parameter].i != 0, static_cast<float>(c.in[Op::param].size())};
  }
};

// How far parameters move: a share of themselves, and of the update.
struct Rates {
  float shrink, rate;
};

// What the blocks of a launch left, added in every thread of this one.
__device__ __forceinline__ float total_of(const float* parts, int64_t count) {
  float own = 0;
  if (count <= kWarp) {  // sooner done than two barriers
    for (int64_t i = 0; i < count; ++i) own += parts[i];
    return own;
  }
  for (int64_t i = threadIdx.x; i < count; i += kThreads) own += parts[i];
  return block_total(own);
}

__device__ __forceinline__ Rates rates_of(const Step& s, const float* param_squares, const float* update_squares, int64_t parts) {
  const float scale = s.scale_parameter ? fmaxf(s.eps2, sqrtf(total_of(param_squares, parts) / s.elements)) : 1.0f;
  const float lr = s.rates[0] * s.lr_scale * scale;
  return {lr * s.decay, lr / fmaxf(1.0f, sqrtf(total_of(update_squares, parts) / s.elements) / s.clip)};
}

// The parameter after an update, and with a momentum also that.
__device__ __forceinline__ float moved(float p, float delta, float shrink) { return p - (shrink * p + delta); }
__device__ __forceinline__ float smoothed(float m, float delta, float beta1) { return beta1 * m + (1.0f - beta1) * delta; }

// Tile t has column tile t % column_tiles; its row tile and matrix are t / column_tiles, rows of tiles counted over all matrices.
struct Tiles {
  int64_t matrices, rows, columns, column_tiles, tile_rows, row_tiles;

  explicit Tiles(const Tensor& param) : matrices(param.dim[0]), rows(param.dim[1]), columns(param.dim[2]), column_tiles(divide_up(columns, kTileColumns)) {
    const int64_t row_tiles_wanted = std::max<int64_t>(1, kBlocks / (matrices * column_tiles));
    tile_rows = std::max(kLeastRows, divide_up(rows, row_tiles_wanted));
    row_tiles = divide_up(rows, tile_rows);
  }
  __host__ __device__ int64_t count() const { return matrices * row_tiles * column_tiles; }
  unsigned blocks() const { return static_cast<unsigned>(std::min(kBlocks, count())); }
  // Column sums are kept by tile, which never are more than this whatever the sizes.
  int64_t column_sums() const { return std::max(kBlocks, matrices * column_tiles) * kTileColumns; }
};

// One tile, seen by a lane.
struct Tile {
  int64_t column_tile, row_tile, matrix;
  int64_t first, end;  // rows, counted over all matrices
  int64_t column;      // the first of this lane's
  int64_t left;        // how many columns there are from there on
  bool aligned;        // all rows, for kQuad elements at once

  __device__ Tile(const Tiles& t, int64_t tile, bool aligned) : column_tile(tile % t.column_tiles), row_tile(tile / t.column_tiles), matrix(row_tile / t.row_tiles), aligned(aligned) {
    const int64_t begin = row_tile % t.row_tiles * t.tile_rows, stop = begin + t.tile_rows < t.rows ? begin + t.tile_rows : t.rows;
    first = matrix * t.rows + begin;
    end = matrix * t.rows + stop;
    column = column_tile * kTileColumns + threadIdx.x % kWarp * kQuad;
    left = t.columns - column;
  }

  // This lane's part of a row, 0 beyond its end.
  __device__ __forceinline__ Quad load(const float* row) const { return load_floats<kQuad>(row + column, left, aligned); }
  template <class T>
  __device__ __forceinline__ void save(T* row, const Quad& x) const {
    store_floats(row + column, x, left, aligned);
  }
};

// f(i) for this warp's rows of the tile, kAhead of them at a time (i, i + kWarps, ..), so that their loads are in flight together.
template <class F>
__device__ __forceinline__ void for_rows(const Tile& tile, const F& f) {
  for (int64_t i = tile.first + threadIdx.x / kWarp; i < tile.end; i += kAhead * kWarps) f(i);
}

// Sums over the warp of four numbers per lane, with 6 shuffles in place of 20: halves of the warp exchange two each, quarters one, so
// that 8 lanes are left with each. Lane 8 a and the 7 after it get the sum of number a.
__device__ __forceinline__ float four_warp_sums(const float (&v)[4]) {
  const bool upper = threadIdx.x & 16, odd = threadIdx.x & 8;
  const float even_pair = (upper ? v[2] : v[0]) + __shfl_xor_sync(kAllLanes, upper ? v[0] : v[2], 16);
  const float odd_pair = (upper ? v[3] : v[1]) + __shfl_xor_sync(kAllLanes, upper ? v[1] : v[3], 16);
  float sum = (odd ? odd_pair : even_pair) + __shfl_xor_sync(kAllLanes, odd ? even_pair : odd_pair, 8);
  for (int o = 4; o > 0; o /= 2) sum += __shfl_xor_sync(kAllLanes, sum, o);
  return sum;
}

// row_sums[column tile, row], col_sums[row tile, column], param_squares[block] (where param is present).
__global__ void __launch_bounds__(kThreads) sums_kernel(Tiles tiles, const float* gscale, const float* grad, const float* param, float* row_sums, float* col_sums, float* param_squares) {
  SHARED(float, by_warp, [kWarps][kTileColumns]);
  const float scale = *gscale;
  if (scale == 0) return;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const bool aligned = tiles.columns % kQuad == 0 && is_aligned<kQuad>(grad) && is_aligned<kQuad>(param);
  float squares = 0;
  for (int64_t t = blockIdx.x; t < tiles.count(); t += gridDim.x) {
    const Tile tile(tiles, t, aligned);
    Quad column{};
    for_rows(tile, [&](int64_t i) {
      Quad g[kAhead], p[kAhead];
      for (int a = 0; a < kAhead; ++a) {
        const bool inside = i + a * kWarps < tile.end;
        const int64_t at = (i + a * kWarps) * tiles.columns;
        g[a] = inside ? tile.load(grad + at) : Quad{};
        p[a] = inside && param ? tile.load(param + at) : Quad{};
      }
      float rows[kAhead];
      for (int a = 0; a < kAhead; ++a) {
        rows[a] = 0;
        for (int k = 0; k < kQuad; ++k) {
          const float scaled = scale * g[a][k];
          rows[a] += scaled * scaled;
          column[k] += scaled * scaled;
          squares += p[a][k] * p[a][k];
        }
      }
      const float sum = four_warp_sums(rows);
      const int64_t row = i + lane / 8 * kWarps;
      if (lane % 8 == 0 && row < tile.end) row_sums[tile.column_tile * tiles.matrices * tiles.rows + row] = sum;
    });
    __syncthreads();  // the tile before is still read
    for (int k = 0; k < kQuad; ++k) by_warp[warp][lane * kQuad + k] = column[k];
    __syncthreads();
    const int64_t j = tile.column_tile * kTileColumns + threadIdx.x;
    if (threadIdx.x < kTileColumns && j < tiles.columns) {
      float sum = 0;
      for (int w = 0; w < kWarps; ++w) sum += by_warp[w][threadIdx.x];
      col_sums[tile.row_tile * tiles.columns + j] = sum;
    }
  }
  if (!param) return;
  squares = block_total(squares);
  if (threadIdx.x == 0) param_squares[blockIdx.x] = squares;
}

// Moves row and col. The first row_blocks blocks of each matrix have kThreads rows each, and leave the sum of their new means in
// row_totals; the blocks after them have the columns of all matrices.
__global__ void __launch_bounds__(kThreads) moments_kernel(Tiles tiles, Step s, const float* row_sums, const float* col_sums, float* row, float* col, float* row_totals, int64_t row_blocks) {
  if (*s.gscale == 0) return;
  const float beta2 = s.rates[1];
  const auto fresh = [&](float before, float sum, int64_t n) { return beta2 * before + (1.0f - beta2) * (sum / static_cast<float>(n) + s.eps1); };
  const int64_t all_rows = tiles.matrices * tiles.rows;
  if (blockIdx.x < tiles.matrices * row_blocks) {
    const int64_t matrix = blockIdx.x / row_blocks, in_matrix = blockIdx.x % row_blocks * kThreads + threadIdx.x, i = matrix * tiles.rows + in_matrix;
    float mean = 0;
    if (in_matrix < tiles.rows) {
      float sum = 0;
      for (int64_t t = 0; t < tiles.column_tiles; ++t) sum += row_sums[t * all_rows + i];
      row[i] = mean = fresh(row[i], sum, tiles.columns);
    }
    mean = block_total(mean);
    if (threadIdx.x == 0) row_totals[blockIdx.x] = mean;
    return;
  }
  const int64_t j = (blockIdx.x - tiles.matrices * row_blocks) * kThreads + threadIdx.x;
  if (j >= tiles.matrices * tiles.columns) return;
  const int64_t matrix = j / tiles.columns, column = j - matrix * tiles.columns;
  float sum = 0;
  for (int64_t t = matrix * tiles.row_tiles; t < (matrix + 1) * tiles.row_tiles; ++t) sum += col_sums[t * tiles.columns + column];
  col[j] = fresh(col[j], sum, tiles.rows);
}

// The factored second moment of a tile: an element's gradient times by_row times by_column is its update.
struct Factors {
  float row_mean;
  Quad by_column;

  __device__ Factors(const Tiles& tiles, const Tile& tile, const float* col, const float* row_totals, int64_t row_blocks)
      : row_mean(total_of(row_totals + tile.matrix * row_blocks, row_blocks) / static_cast<float>(tiles.rows)) {
    for (int k = 0; k < kQuad; ++k) by_column[k] = k < tile.left ? 1.0f / sqrtf(col[tile.matrix * tiles.columns + tile.column + k]) : 0.0f;
  }
  __device__ __forceinline__ float by_row(float row) const { return sqrtf(row_mean / row); }
};

__global__ void __launch_bounds__(kThreads) size_kernel(Tiles tiles, const float* gscale, const float* grad, const float* row, const float* col, const float* row_totals, int64_t row_blocks,
                                                        float* update_squares) {
  const float scale = *gscale;
  if (scale == 0) return;
  const bool aligned = tiles.columns % kQuad == 0 && is_aligned<kQuad>(grad);
  float squares = 0;
  for (int64_t t = blockIdx.x; t < tiles.count(); t += gridDim.x) {
    const Tile tile(tiles, t, aligned);
    const Factors factors(tiles, tile, col, row_totals, row_blocks);
    for_rows(tile, [&](int64_t i) {
      Quad g[kAhead];
      float by_row[kAhead];
      for (int a = 0; a < kAhead; ++a) {
        const bool inside = i + a * kWarps < tile.end;
        g[a] = inside ? tile.load(grad + (i + a * kWarps) * tiles.columns) : Quad{};
        by_row[a] = inside ? scale * factors.by_row(row[i + a * kWarps]) : 0.0f;
      }
      for (int a = 0; a < kAhead; ++a)
        for (int k = 0; k < kQuad; ++k) {
          const float u = by_row[a] * g[a][k] * factors.by_column[k];
          squares += u * u;
        }
    });
  }
  squares = block_total(squares);
  if (threadIdx.x == 0) update_squares[blockIdx.x] = squares;
}

template <class C>
__global__ void __launch_bounds__(kThreads) move_kernel(Tiles tiles, Step s, const float* grad, const float* row, const float* col, const float* row_totals, int64_t row_blocks,
                                                        const float* param_squares, const float* update_squares, float* param, float* m, C* copy) {
  const float scale = *s.gscale;
  if (scale == 0) return;
  const Rates rates = rates_of(s, param_squares, update_squares, gridDim.x);
  const bool aligned = tiles.columns % kQuad == 0 && is_aligned<kQuad>(grad) && is_aligned<kQuad>(param) && is_aligned<kQuad>(m) && is_aligned<kQuad>(copy);
  for (int64_t t = blockIdx.x; t < tiles.count(); t += gridDim.x) {
    const Tile tile(tiles, t, aligned);
    const Factors factors(tiles, tile, col, row_totals, row_blocks);
    for_rows(tile, [&](int64_t i) {
      Quad g[kAhead], p[kAhead], momentum[kAhead];
      float by_row[kAhead];
      for (int a = 0; a < kAhead; ++a) {
        const int64_t at = (i + a * kWarps) * tiles.columns;
        if (i + a * kWarps >= tile.end) continue;
        g[a] = tile.load(grad + at);
        p[a] = tile.load(param + at);
        if (m) momentum[a] = tile.load(m + at);
        by_row[a] = rates.rate * scale * factors.by_row(row[i + a * kWarps]);
      }
      for (int a = 0; a < kAhead; ++a) {
        const int64_t at = (i + a * kWarps) * tiles.columns;
        if (i + a * kWarps >= tile.end) continue;
        for (int k = 0; k < kQuad; ++k) {
          float delta = by_row[a] * g[a][k] * factors.by_column[k];
          if (m) momentum[a][k] = delta = smoothed(momentum[a][k], delta, s.beta1);
          p[a][k] = moved(p[a][k], delta, rates.shrink);
        }
        if (m) tile.save(m + at, momentum[a]);
        tile.save(param + at, p[a]);
        if (copy) tile.save(copy + at, p[a]);
      }
    });
  }
}

template <int N>
struct Elements {
  static constexpr int count = N;
};

// f(Elements<N>{}, i): elements i .. i + N - 1 of this thread, over the whole grid.
template <class F>
__device__ __forceinline__ void for_own(int64_t n, bool aligned, const F& f) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x, threads = int64_t{gridDim.x} * kThreads, quads = aligned ? n / kQuad : 0;
  for (int64_t q = thread; q < quads; q += threads) f(Elements<kQuad>{}, q * kQuad);
  for (int64_t i = quads * kQuad + thread; i < n; i += threads) f(Elements<1>{}, i);
}

// Moves v; squares of the parameter (where it is present) and of the update, by block.
__global__ void __launch_bounds__(kThreads) full_moments_kernel(Step s, const float* grad, const float* param, float* v, float* param_squares, float* update_squares, int64_t n) {
  const float scale = *s.gscale, beta2 = s.rates[1];
  if (scale == 0) return;
  float squares = 0, p_squares = 0;
  for_own(n, is_aligned<kQuad>(grad) && is_aligned<kQuad>(param) && is_aligned<kQuad>(v), [&](auto elements, int64_t i) {
    constexpr int N = decltype(elements)::count;
    Floats<N> second = load_floats<N>(v + i);
    const Floats<N> raw = load_floats<N>(grad + i), p = param ? load_floats<N>(param + i) : Floats<N>{};
    for (int k = 0; k < N; ++k) {
      const float g = scale * raw[k];
      second[k] = beta2 * second[k] + (1.0f - beta2) * (g * g + s.eps1);
      squares += g * g / second[k];
      p_squares += p[k] * p[k];
    }
    store_floats(v + i, second);
  });
  squares = block_total(squares);
  p_squares = block_total(p_squares);
  if (threadIdx.x == 0) {
    update_squares[blockIdx.x] = squares;
    param_squares[blockIdx.x] = p_squares;
  }
}

template <class C>
__global__ void __launch_bounds__(kThreads) full_move_kernel(Step s, const float* grad, const float* v, const float* param_squares, const float* update_squares, float* param, float* m, C* copy, int64_t n) {
  const float scale = *s.gscale;
  if (scale == 0) return;
  const Rates rates = rates_of(s, param_squares, update_squares, gridDim.x);
  const bool aligned = is_aligned<kQuad>(grad) && is_aligned<kQuad>(v) && is_aligned<kQuad>(param) && is_aligned<kQuad>(m) && is_aligned<kQuad>(copy);
  for_own(n, aligned, [&](auto elements, int64_t i) {
    constexpr int N = decltype(elements)::count;
    const Floats<N> g = load_floats<N>(grad + i), second = load_floats<N>(v + i);
    Floats<N> p = load_floats<N>(param + i), momentum = m ? load_floats<N>(m + i) : Floats<N>{};
    for (int k = 0; k < N; ++k) {
      float delta = rates.rate * scale * g[k] / sqrtf(second[k]);
      if (m) momentum[k] = delta = smoothed(momentum[k], delta, s.beta1);
      p[k] = moved(p[k], delta, rates.shrink);
    }
    if (m) store_floats(m + i, momentum);
    store_floats(param + i, p);
    if (copy) store_floats(copy + i, p);
  });
}

}  // namespace

void adafactor_cuda(const Call& c, Launcher& l) {
  using Op = op::adafactor;
  const Tensor &param = c.in[Op::param], &copy = c.in[Op::copy];
  if (param.size() == 0) return;
  const Step step = Step::of<Op>(c);
  const Tiles tiles(param);
  const int64_t row_blocks = divide_up(tiles.rows, kThreads), column_blocks = divide_up(tiles.matrices * tiles.columns, kThreads);
  auto* const row_sums = l.scratch<float>(tiles.column_tiles * tiles.matrices * tiles.rows);
  auto* const col_sums = l.scratch<float>(tiles.column_sums());
  auto* const row_totals = l.scratch<float>(tiles.matrices * row_blocks);
  auto* const param_squares = l.scratch<float>(kBlocks);
  auto* const update_squares = l.scratch<float>(kBlocks);
  const auto *grad = data<float>(c.in[Op::grad]), *gscale = step.gscale;
  auto *row = data<float>(c.in[Op::row]), *col = data<float>(c.in[Op::col]);
  l.launch(sums_kernel, dim3(tiles.blocks()), dim3(kThreads), 0, tiles, gscale, grad, step.scale_parameter ? data<float>(param) : nullptr, row_sums, col_sums, param_squares);
  l.launch(moments_kernel, dim3(static_cast<unsigned>(tiles.matrices * row_blocks + column_blocks)), dim3(kThreads), 0, tiles, step, row_sums, col_sums, row, col, row_totals, row_blocks);
  l.launch(size_kernel, dim3(tiles.blocks()), dim3(kThreads), 0, tiles, gscale, grad, row, col, row_totals, row_blocks, update_squares);
  with_types([&](auto type) {
    using C = decltype(type);
    l.launch(move_kernel<C>, dim3(tiles.blocks()), dim3(kThreads), 0, tiles, step, grad, row, col, row_totals, row_blocks, param_squares, update_squares, data<float>(param),
             data<float>(c.in[Op::m]), data<C>(copy));
  }, copy);
}

void adafactor_full_cuda(const Call& c, Launcher& l) {
  using Op = op::adafactor_full;
  const Tensor &param = c.in[Op::param], &copy = c.in[Op::copy];
  const int64_t n = param.size();
  const Step step = Step::of<Op>(c);
  auto* const param_squares = l.scratch<float>(kVectorBlocks);
  auto* const update_squares = l.scratch<float>(kVectorBlocks);
  const dim3 grid(static_cast<unsigned>(std::min(kVectorBlocks, divide_up(n, kThreads * kQuad))));
  const auto* grad = data<float>(c.in[Op::grad]);
  auto* v = data<float>(c.in[Op::v]);
  l.launch(full_moments_kernel, grid, dim3(kThreads), 0, step, grad, step.scale_parameter ? data<float>(param) : nullptr, v, param_squares, update_squares, n);
  with_types([&](auto type) {
    using C = decltype(type);
    l.launch(full_move_kernel<C>, grid, dim3(kThreads), 0, step, grad, v, param_squares, update_squares, data<float>(param), data<float>(c.in[Op::m]), data<C>(copy), n);
  }, copy);
}

}  // namespace ht::cuda
