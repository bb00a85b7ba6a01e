// Kernels that move whole rows, on the device.
//
// gather_rows and write_rows are elementwise over the rows they move (cuda/elements.cuh): the row is the element's number divided by
// the width, its index comes from the first cache, and a thread's elements lie in one row where the width is a multiple of them.
// concat_rows has one launch for all operands, which a list in device memory names.
// write_rows: of rows with equal index the last counts. Each row first claims its place with its number, by an integer maximum, and
// only the winner is written.
// scatter_add_rows adds in the order of m without sorting. A block owns kOwned rows of y and a column per thread, with the sums in shared
// memory; it reads the whole index list, kScan at a time, keeps what falls into its rows, in order, and adds those rows of x. So x is
// read once and y written once, and the list, which stays in the second cache, once per block. Few rows of y would leave the device
// idle: then the list is cut into pieces, with sums of their own that a second launch adds in order.
#include <vector>

#include "core/ops_cuda.gen.h"
#include "cuda/elements.cuh"

namespace ht::cuda {
namespace {

constexpr int kThreads = 256;

// i / n without a 64-bit division where both fit into 32 bits.
__device__ __forceinline__ int64_t quotient(int64_t i, int64_t n) {
  return ((i | n) >> 32) == 0 ? static_cast<uint32_t>(i) / static_cast<uint32_t>(n) : i / n;
}

struct Operand {
  const void* x;
  int64_t is_bf16;
};

template <int N, class X, class Y>
__device__ __forceinline__ void copy_tile(const X* x, Y* y, int64_t tile, int64_t n) {
  const int64_t own = tile + threadIdx.x * N;
  const bool vector = is_aligned<N>(x) && is_aligned<N>(y);
  if (vector && own + N <= n) return store_floats(y + own, load_floats<N>(x + own));
  const int64_t first = vector ? own : tile + threadIdx.x, stride = vector ? 1 : kThreads;
  for (int k = 0; k < N; ++k)
    if (first + k * stride < n) store(y + first + k * stride, to_float(x[first + k * stride]));
}

// Block b has tile b % tiles of operand b / tiles; each operand is `size` elements.
template <class Y>
__global__ void __launch_bounds__(kThreads) concat_kernel(const Operand* operands, Y* y, int64_t size, int64_t tiles) {
  constexpr int N = vector_width<Y>();
  const int64_t which = blockIdx.x / tiles, tile = blockIdx.x % tiles * (kThreads * N);
  const Operand o = operands[which];
  if (o.is_bf16) copy_tile<N>(static_cast<const bf16*>(o.x), y + which * size, tile, size);
  else copy_tile<N>(static_cast<const float*>(o.x), y + which * size, tile, size);
}

template <class X, class Y>
struct Gather {
  static constexpr int kWidth = vector_width<X, Y>();
  const X* x;
  const int32_t* index;
  Y* y;
  int64_t rows, width;
  int32_t* bad_index;
  __device__ bool aligned() const { return width % kWidth == 0 && is_aligned<kWidth>(x) && is_aligned<kWidth>(y); }
  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t m = quotient(i, width), row = checked_index(index[m], -1, rows, bad_index);
    store_floats(y + i, row < 0 ? Floats<N>{} : load_floats<N>(x + row * width + (i - m * width)));
  }
};

__global__ void __launch_bounds__(kThreads) claim_kernel(const int32_t* index, int64_t count, int64_t rows, int32_t* winner, int32_t* bad_index) {
  const int64_t m = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (m >= count) return;
  const int64_t row = checked_index(index[m], -1, rows, bad_index);
  if (row >= 0) atomicMax(&winner[row], static_cast<int32_t>(m));
}

template <class X, class B>
struct Write {
  static constexpr int kWidth = vector_width<X, B>();
  const X* x;
  const int32_t *index, *winner;
  B* buffer;
  int64_t rows, width;
  __device__ bool aligned() const { return width % kWidth == 0 && is_aligned<kWidth>(x) && is_aligned<kWidth>(buffer); }
  template <int N>
  __device__ void at(int64_t i) const {
    const int64_t m = quotient(i, width), row = checked_index(index[m], -1, rows, nullptr);
    if (row >= 0 && winner[row] == m) store_floats(buffer + row * width + (i - m * width), load_floats<N>(x + i));
  }
};

constexpr int kOwned = 32, kScan = 4 * kThreads, kWarps = kThreads / kWarp;
constexpr int64_t kBlocks = 256;  // enough for the device: as many pieces as it takes to come near

// sums[piece, row, column] over the indices [piece * step, (piece + 1) * step). Block x: column tile + tiles * row group.
template <class X>
__global__ void __launch_bounds__(kThreads) scatter_kernel(const X* x, const int32_t* index, float* sums, int64_t count, int64_t step, int64_t rows, int64_t width, int64_t tiles,
                                                           int32_t* bad_index) {
  SHARED(float, total, [kOwned][kThreads]);
  SHARED(int32_t, found, [kScan]);      // numbers m of the indices that fall into the block's rows, in order
  SHARED(uint8_t, found_row, [kScan]);  // and which of the block's rows that is
  SHARED(int, found_by, [kWarps + 1]);
  const int64_t column = blockIdx.x % tiles * kThreads + threadIdx.x, first_row = blockIdx.x / tiles * kOwned;
  const int64_t begin = blockIdx.y * step, end = begin + step < count ? begin + step : count;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  for (int r = 0; r < kOwned; ++r) total[r][threadIdx.x] = 0;
  for (int64_t at = begin; at < end; at += kScan) {
    // A warp has 128 consecutive indices, a lane every 32nd of them.
    int64_t own[4];
    unsigned hits[4];
    int hit_count = 0;
    for (int k = 0; k < 4; ++k) {
      const int64_t m = at + warp * (4 * kWarp) + k * kWarp + lane;
      own[k] = m < end ? checked_index(index[m], -1, rows, bad_index) - first_row : -1;
      hits[k] = __ballot_sync(kAllLanes, own[k] >= 0 && own[k] < kOwned);
      hit_count += __popc(hits[k]);
    }
    if (lane == 0) found_by[warp] = hit_count;
    __syncthreads();  // also: the list before has been read
    int place = 0, all = 0;
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) place += found_by[w];
      all += found_by[w];
    }
    for (int k = 0; k < 4; ++k) {
      if (hits[k] >> lane & 1u) {
        const int to = place + __popc(hits[k] & ((1u << lane) - 1));
        found[to] = static_cast<int32_t>(at + warp * (4 * kWarp) + k * kWarp + lane);
        found_row[to] = static_cast<uint8_t>(own[k]);
      }
      place += __popc(hits[k]);
    }
    __syncthreads();
    if (column >= width) continue;
#pragma unroll 8
    for (int i = 0; i < all; ++i) total[found_row[i]][threadIdx.x] += to_float(x[found[i] * width + column]);
  }
  if (column >= width) return;
  for (int r = 0; r < kOwned && first_row + r < rows; ++r) sums[(blockIdx.y * rows + first_row + r) * width + column] = total[r][threadIdx.x];
}

// y is the sum of `count` tensors that stand one behind the other, in order.
struct AddPieces {
  static constexpr int kWidth = 1;
  const float* pieces;
  float* y;
  int64_t count, size;
  __device__ bool aligned() const { return true; }
  template <int N>
  __device__ void at(int64_t i) const {
    float total = 0;
#pragma unroll 8
    for (int64_t p = 0; p < count; ++p) total += pieces[p * size + i];
    y[i] = total;
  }
};

int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

}  // namespace

void concat_rows_cuda(const Call& c, Launcher& l) {
  using Op = op::concat_rows;
  const Tensor& y = c.out[Op::o_y];
  const int64_t n = c.attr[Op::a_n].i, size = Op::in(c, Op::x, 0).size();
  std::vector<Operand> operands;
  for (int i = 0; i < n; ++i) operands.push_back({Op::in(c, Op::x, i).data, Op::in(c, Op::x, i).dtype == DType::BF16});
  const Operand* const list = l.constant(operands.data(), n);
  with_types([&](auto ty) {
    using Y = decltype(ty);
    const int64_t tiles = divide_up(size, kThreads * vector_width<Y>());
    l.launch(concat_kernel<Y>, dim3(static_cast<unsigned>(n * tiles)), dim3(kThreads), 0, list, data<Y>(y), size, tiles);
  }, y);
}

void gather_rows_cuda(const Call& c, Launcher& l) {
  using Op = op::gather_rows;
  const Tensor &x = c.in[Op::x], &y = c.out[Op::o_y];
  with_types([&](auto tx, auto ty) {
    using X = decltype(tx);
    using Y = decltype(ty);
    for_elements(l, y.size(), Gather<X, Y>{data<X>(x), data<int32_t>(c.in[Op::index]), data<Y>(y), x.dim[0], x.dim[1], l.bad_index()});
  }, x, y);
}

void write_rows_cuda(const Call& c, Launcher& l) {
  using Op = op::write_rows;
  const Tensor &buffer = c.in[Op::buffer], &index = c.in[Op::index], &x = c.in[Op::x];
  const int64_t rows = buffer.dim[0], count = index.dim[0];
  auto* const winner = l.scratch<int32_t>(rows);
  l.fill_bytes(winner, 0xff, rows * sizeof(int32_t));
  l.launch(claim_kernel, dim3(blocks_for(count, kThreads)), dim3(kThreads), 0, data<int32_t>(index), count, rows, winner, l.bad_index());
  with_types([&](auto tx, auto tb) {
    using X = decltype(tx);
    using B = decltype(tb);
    for_elements(l, x.size(), Write<X, B>{data<X>(x), data<int32_t>(index), winner, data<B>(buffer), rows, x.dim[1]});
  }, x, buffer);
}

void scatter_add_rows_cuda(const Call& c, Launcher& l) {
  using Op = op::scatter_add_rows;
  const Tensor &x = c.in[Op::x], &index = c.in[Op::index], &y = c.out[Op::o_y];
  const int64_t count = index.dim[0], rows = y.dim[0], width = y.dim[1];
  const int64_t tiles = divide_up(width, kThreads), blocks = tiles * divide_up(rows, kOwned), scans = divide_up(count, kScan);
  const int64_t wanted = std::max<int64_t>(1, std::min(scans, kBlocks / std::max<int64_t>(1, blocks)));
  const int64_t step = divide_up(scans, wanted) * kScan, pieces = std::max<int64_t>(1, divide_up(count, std::max<int64_t>(1, step)));
  float* const partial = l.scratch<float>(kBlocks * kOwned * kThreads);  // enough for every shape that has more than one piece
  with_types([&](auto tx) {
    using X = decltype(tx);
    l.launch(scatter_kernel<X>, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(pieces)), dim3(kThreads), 0, data<X>(x), data<int32_t>(index),
             pieces > 1 ? partial : data<float>(y), count, step, rows, width, tiles, l.bad_index());
  }, x);
  if (pieces > 1) for_elements(l, y.size(), AddPieces{partial, data<float>(y), pieces, y.size()});
}

}  // namespace ht::cuda
