// Fast kernel of the gradient norm: pieces in fp32, their totals in double, in the order of operands and elements.
#ifndef HT_ISA_PASS
#include <vector>

#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#define HT_KERNELS "ops/reduce_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void global_norm_cpu(const Call& c) {
  struct Piece {
    int operand;
    int64_t begin, count;
  };
  std::vector<Piece> pieces;
  for (int i = 0; i < c.attr[op::global_norm::a_n].i; ++i) {
    const int64_t size = op::global_norm::in(c, op::global_norm::x, i).size();
    for (int64_t at = 0; at < size; at += kChunk) pieces.push_back({i, at, std::min(kChunk, size - at)});
  }
  std::vector<double> squares(pieces.size());
  cpu::parallel(static_cast<int64_t>(pieces.size()), [&](int64_t tile, int) {
    const Piece& p = pieces[tile];
    const Tensor& x = op::global_norm::in(c, op::global_norm::x, p.operand);
    squares[tile] = with_type(x.dtype, [&](auto type) {
      using X = decltype(type);
      return HT_DISPATCH(sum_squares<X>)(data_of<X>(x) + p.begin, p.count);
    });
  });
  double total = 0;
  for (double s : squares) total += s;
  c.out[op::global_norm::o_y].f32()[0] = static_cast<float>(std::sqrt(total));
}

}  // namespace ht
#else
template <class X>
double sum_squares(const X* x, int64_t n) {
  constexpr int64_t kBlock = 1024;  // keeps sums in fp32 short
  double total = 0;
  for (int64_t at = 0; at < n; at += kBlock) {
    Vec squares[2] = {Vec::zero(), Vec::zero()};
    for_each_vec(std::min(kBlock, n - at), [&](int64_t i, int lanes) {
      Vec& s = squares[i / Vec::lanes % 2];
      const Vec v = Vec::load(x + at + i, lanes);
      s = fma(v, v, s);
    });
    total += sum(squares[0] + squares[1]);
  }
  return total;
}
#endif
