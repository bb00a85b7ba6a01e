// lora_linear and its gradient towards x on the CPU.
//
// Layout: x [T, in] is shared by the n weights; each y_i is a packed product with W_i^T (frozen weights keep their panel,
// trained ones are packed inside the product). Bytes: every W_i, A and B once, x once per weight, y written once. The
// coefficients t = scale * mid * (A x) [T, rank] come first; t B is added to y while it is in cache, then s_out. The cut
// into tiles is the product's, so bits do not depend on the thread count. Where weights are int8, x is quantised once for all
// of them; the low-rank terms read x itself.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "core/ops.gen.h"
#include "cpu/gemm.h"
#include "cpu/gemm_int8.h"
#include "cpu/threads.h"
#include "ops/lora_linear.h"
#include "ops/low_rank.h"
#include "ops/packed_weight.h"

namespace ht {
namespace {

constexpr int64_t kTokenTile = 64;     // tokens of one tile when activations are scaled
constexpr int64_t kPanelTokens = 128;  // up to here keeping the panel for dy W pays; above, packing is lost in the product
constexpr int64_t kSliverTokens = 64;  // up to here a product's rectangles are slivers of few columns

std::vector<int64_t> slots_of(const Tensor& map, int64_t rows, int64_t count, RunFlags* flags) {
  std::vector<int64_t> slots(static_cast<size_t>(rows), -1);
  for (int64_t r = 0; map && r < rows; ++r) slots[r] = checked_index(map, r, 0, count, flags);
  return slots;
}

// x, or an fp32 copy of it times a Scale state.
class ScaledInput {
 public:
  ScaledInput(const Tensor& x, const Tensor& factor, const std::vector<int32_t>& rows, const std::vector<int64_t>& slots)
      : data_(x.data), dtype_(x.dtype), tokens_(x.dim[0]), width_(x.dim[1]) {
    if (!factor) return;
    copy_.reset(new float[static_cast<size_t>(x.size())]);
    cpu::parallel((tokens_ + kTokenTile - 1) / kTokenTile, [&](int64_t tile, int) {
      const int64_t m1 = std::min(tokens_, (tile + 1) * kTokenTile);
      scale_rows(x.data, x.dtype, factor, rows, slots, copy_.get(), DType::F32, width_, tile * kTokenTile, m1, 0, width_);
    });
    data_ = copy_.get();
    dtype_ = DType::F32;
  }
  const void* data() const { return data_; }
  DType dtype() const { return dtype_; }
  cpu::Matrix matrix() const { return cpu::Matrix::of(data_, dtype_, tokens_, width_); }

 private:
  std::unique_ptr<float[]> copy_;
  const void* data_;
  DType dtype_;
  int64_t tokens_, width_;
};

// What every repetition needs to know of the batch's rows.
struct Batch {
  RowOffsets offsets;
  std::vector<int32_t> rows;
  Batch(const Tensor& starts, int64_t tokens) : offsets(starts, tokens), rows(rows_of_tokens(offsets, tokens)) {}

  std::vector<int64_t> slots(const Tensor& map, const Tensor& bank, RunFlags* flags) const {
    return bank ? slots_of(map, offsets.rows(), bank.dim[0], flags) : std::vector<int64_t>();
  }
};

// multiply(epilogue) gives c, then finish(m0, m1, n0, n1) for rectangles that cover c: while they are in cache or, where few
// tokens would make that many calls on slivers (all of c is in cache then), afterwards for whole rows.
template <class Multiply>
void multiply_then(const cpu::MatrixOut& c, const cpu::Epilogue& finish, const Multiply& multiply) {
  const bool at_once = finish && c.rows > kSliverTokens;
  multiply(at_once ? finish : cpu::Epilogue());
  if (!finish || at_once) return;
  constexpr int64_t kRows = 4;
  cpu::parallel((c.rows + kRows - 1) / kRows,
                [&](int64_t tile, int) { finish(tile * kRows, std::min(c.rows, (tile + 1) * kRows), 0, c.cols); });
}

}  // namespace

void lora_linear_cpu(const Call& call) {
  using O = op::lora_linear;
  const Tensor &x = call.in[O::x], &s_in = call.in[O::s_in], &scale_slots = call.in[O::scale_slots];
  const Batch batch(call.in[O::offsets], x.dim[0]);
  const ScaledInput input(x, s_in, batch.rows, batch.slots(scale_slots, s_in, call.flags));
  std::optional<cpu::Int8Rows> int8_input;
  for (int i = 0; i < call.attr[O::a_n].i; ++i) {
    const Tensor &w = O::in(call, O::w, i), &s_out = O::in(call, O::s_out, i);
    Tensor& y = O::out(call, O::o_y, i);
    const LowRank low = LowRank::of(call, i, O{});
    const auto slots = batch.slots(call.in[O::slots], O::in(call, O::table, i), call.flags);
    const auto out_slots = batch.slots(scale_slots, s_out, call.flags);
    LowRankTerm term{low, low.a, low.b, batch.offsets, batch.rows, slots, {}};
    if (low.a) term.multiply(input.data(), input.dtype());
    const auto finish = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
      if (low.a) term.add_to(y, m0, m1, n0, n1);
      if (s_out) scale_rows(y.data, y.dtype, s_out, batch.rows, out_slots, y.data, y.dtype, y.dim[1], m0, m1, n0, n1);
    };
    const cpu::PackedB packed = packed_weight(w, Panel::Forward);
    multiply_then(matrix_out(y), low.a || s_out ? cpu::Epilogue(finish) : cpu::Epilogue(), [&](const cpu::Epilogue& epilogue) {
      if (w.dtype == DType::I8) {
        if (!int8_input) int8_input.emplace(input.matrix());
        return cpu::gemm_int8(*int8_input, matrix_of(w), O::in(call, O::w_scale, i).f32(), matrix_out(y), {&packed, epilogue});
      }
      cpu::GemmOptions options;
      options.packed_b = &packed;
      options.epilogue = epilogue;
      cpu::gemm(input.matrix(), matrix_of(w).t(), matrix_out(y), options);
    });
  }
}

void lora_linear_dx_cpu(const Call& call) {
  using O = op::lora_linear_dx;
  const Tensor &s_in = call.in[O::s_in], &scale_slots = call.in[O::scale_slots];
  Tensor& dx = call.out[O::o_dx];
  const Batch batch(call.in[O::offsets], dx.dim[0]);
  const auto in_slots = batch.slots(scale_slots, s_in, call.flags);
  const int n = call.attr[O::a_n].i;
  for (int i = 0; i < n; ++i) {
    const Tensor &w = O::in(call, O::w, i), &s_out = O::in(call, O::s_out, i);
    const ScaledInput dy(O::in(call, O::dy, i), s_out, batch.rows, batch.slots(scale_slots, s_out, call.flags));
    const LowRank low = LowRank::of(call, i, O{});
    const auto slots = batch.slots(call.in[O::slots], O::in(call, O::table, i), call.flags);
    LowRankTerm term{low, low.b, low.a, batch.offsets, batch.rows, slots, {}};
    if (low.a) term.multiply(dy.data(), dy.dtype());
    const bool scales = s_in && i == n - 1;
    const auto finish = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
      if (low.a) term.add_to(dx, m0, m1, n0, n1);
      if (scales) scale_rows(dx.data, dx.dtype, s_in, batch.rows, in_slots, dx.data, dx.dtype, dx.dim[1], m0, m1, n0, n1);
    };
    const cpu::PackedB packed = dx.dim[0] <= kPanelTokens ? packed_weight(w, Panel::Backward) : cpu::PackedB();
    multiply_then(matrix_out(dx), low.a || scales ? cpu::Epilogue(finish) : cpu::Epilogue(), [&](const cpu::Epilogue& epilogue) {
      cpu::GemmOptions options;
      options.packed_b = &packed;
      options.accumulate = i > 0;
      options.epilogue = epilogue;
      cpu::gemm(dy.matrix(), matrix_of(w), matrix_out(dx), options);
    });
  }
}

}  // namespace ht
