// Linear layers with a low-rank term per row, in plain loops: forward, dx, (dA, dB) and the plain dW.
// The low-rank term is LoRA (Hu et al. 2021, section 4.1) with a scale per slot and an optional middle vector per row.
#include <vector>

#include "core/ops.gen.h"
#include "ops/int8_ref.h"
#include "ops/lora_linear.h"

namespace ht {
namespace {

using Vector = std::vector<double>;

// row t of x, times a Scale state where there is one.
Vector scaled_row(const Tensor& x, int64_t t, const Tensor& scale, int64_t slot) {
  Vector row(static_cast<size_t>(x.dim[1]));
  for (int64_t i = 0; i < x.dim[1]; ++i)
    row[i] = x.get(t * x.dim[1] + i) * scale_at(scale, slot, i);
  return row;
}

double dot_row(const Tensor& m, int64_t row, const Vector& x) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += m.get(row * m.dim[1] + static_cast<int64_t>(i)) * x[i];
  return sum;
}

void add_row(Vector& y, double factor, const Tensor& m, int64_t row) {
  for (size_t i = 0; i < y.size(); ++i) y[i] += factor * m.get(row * m.dim[1] + static_cast<int64_t>(i));
}

// y += scale[slot] * sum over the slot's ranks of mid * (inner[rank] . x) * outer[rank].
void add_low_rank(const LowRank& low, const Tensor& inner, const Tensor& outer, int64_t row, int64_t slot, const Vector& x,
                  Vector& y) {
  for (int64_t entry = 0; entry < low.table.entries(); ++entry) {
    const int64_t page = low.table.page(slot, entry);
    if (page < 0) continue;
    for (int64_t k = 0; k < low.page_rank; ++k) {
      const int64_t rank = page * low.page_rank + k;
      const double mid = low.mid ? low.mid.get(low.mid_at(row, entry) + k) : 1.0;
      add_row(y, low.scale.get(slot) * mid * dot_row(inner, rank, x), outer, rank);
    }
  }
}

}  // namespace

void lora_linear_ref(const Call& call) {
  using O = op::lora_linear;
  const Tensor &x = call.in[O::x], &s_in = call.in[O::s_in], &scale_slots = call.in[O::scale_slots];
  const RowOffsets rows(call.in[O::offsets], x.dim[0]);
  for (int i = 0; i < call.attr[O::a_n].i; ++i) {
    const Tensor &w = O::in(call, O::w, i), &s_out = O::in(call, O::s_out, i);
    Tensor& y = O::out(call, O::o_y, i);
    const LowRank low = LowRank::of(call, i, O{});
    for (int64_t r = 0; r < rows.rows(); ++r) {
      const int64_t slot = low.a ? slot_of(call.in[O::slots], r, low.table.slots(), call.flags) : -1;
      const int64_t in_slot = s_in ? slot_of(scale_slots, r, s_in.dim[0], call.flags) : -1;
      const int64_t out_slot = s_out ? slot_of(scale_slots, r, s_out.dim[0], call.flags) : -1;
      for (int64_t t = rows.begin(r); t < rows.end(r); ++t) {
        const Vector row = scaled_row(x, t, s_in, in_slot);
        Vector result(static_cast<size_t>(w.dim[0]));
        if (w.dtype == DType::I8) {
          const Int8Row int8_row(row);
          for (int64_t j = 0; j < w.dim[0]; ++j) result[j] = int8_row.dot(w, O::in(call, O::w_scale, i), j);
        } else {
          for (int64_t j = 0; j < w.dim[0]; ++j) result[j] = dot_row(w, j, row);
        }
        if (low.a) add_low_rank(low, low.a, low.b, r, slot, row, result);
        for (int64_t j = 0; j < w.dim[0]; ++j) y.set(t * w.dim[0] + j, result[j] * scale_at(s_out, out_slot, j));
      }
    }
  }
}

void lora_linear_dx_ref(const Call& call) {
  using O = op::lora_linear_dx;
  const Tensor &s_in = call.in[O::s_in], &scale_slots = call.in[O::scale_slots];
  Tensor& dx = call.out[O::o_dx];
  const RowOffsets rows(call.in[O::offsets], dx.dim[0]);
  for (int64_t r = 0; r < rows.rows(); ++r) {
    const int64_t in_slot = s_in ? slot_of(scale_slots, r, s_in.dim[0], call.flags) : -1;
    for (int64_t t = rows.begin(r); t < rows.end(r); ++t) {
      Vector result(static_cast<size_t>(dx.dim[1]));
      for (int i = 0; i < call.attr[O::a_n].i; ++i) {
        const Tensor &w = O::in(call, O::w, i), &s_out = O::in(call, O::s_out, i);
        const LowRank low = LowRank::of(call, i, O{});
        const int64_t out_slot = s_out ? slot_of(scale_slots, r, s_out.dim[0], call.flags) : -1;
        const Vector dy = scaled_row(O::in(call, O::dy, i), t, s_out, out_slot);
        for (int64_t j = 0; j < w.dim[0]; ++j) add_row(result, dy[j], w, j);
        if (!low.a) continue;
        const int64_t slot = slot_of(call.in[O::slots], r, low.table.slots(), call.flags);
        add_low_rank(low, low.b, low.a, r, slot, dy, result);
      }
      for (int64_t j = 0; j < dx.dim[1]; ++j) dx.set(t * dx.dim[1] + j, result[j] * scale_at(s_in, in_slot, j));
    }
  }
}

void lora_linear_dab_ref(const Call& call) {
  using O = op::lora_linear_dab;
  const Tensor &x = call.in[O::x], &dy = call.in[O::dy], &a = call.in[O::a], &b = call.in[O::b];
  const int64_t page_rank = call.attr[O::a_page_rank].i;
  const LowRank low{a, b, call.in[O::scale], call.in[O::mid],
                    PageTable(call.in[O::table], a.dim[0] / page_rank, call.flags), page_rank};
  const RowOffsets rows(call.in[O::offsets], x.dim[0]);
  const Tensor none;
  Vector da(static_cast<size_t>(a.size())), db(static_cast<size_t>(b.size()));
  for (int64_t r = 0; r < rows.rows(); ++r) {
    const int64_t slot = slot_of(call.in[O::slots], r, low.table.slots(), call.flags);
    for (int64_t t = rows.begin(r); t < rows.end(r); ++t) {
      const Vector x_row = scaled_row(x, t, none, -1), dy_row = scaled_row(dy, t, none, -1);
      for (int64_t entry = 0; entry < low.table.entries(); ++entry) {
        const int64_t page = low.table.page(slot, entry);
        for (int64_t k = 0; page >= 0 && k < page_rank; ++k) {
          const int64_t rank = page * page_rank + k;
          const double factor = low.scale.get(slot) * (low.mid ? low.mid.get(low.mid_at(r, entry) + k) : 1.0);
          const double from_x = factor * dot_row(a, rank, x_row), from_dy = factor * dot_row(b, rank, dy_row);
          for (size_t j = 0; j < dy_row.size(); ++j) db[rank * b.dim[1] + j] += from_x * dy_row[j];
          for (size_t j = 0; j < x_row.size(); ++j) da[rank * a.dim[1] + j] += from_dy * x_row[j];
        }
      }
    }
  }
  for (int64_t i = 0; i < a.size(); ++i) call.out[O::o_da].set(i, da[i]);
  for (int64_t i = 0; i < b.size(); ++i) call.out[O::o_db].set(i, db[i]);
}

void linear_dw_ref(const Call& call) {
  using O = op::linear_dw;
  const Tensor &x = call.in[O::x], &dy = call.in[O::dy];
  for (int64_t j = 0; j < dy.dim[1]; ++j)
    for (int64_t i = 0; i < x.dim[1]; ++i) {
      double sum = 0;
      for (int64_t t = 0; t < x.dim[0]; ++t) sum += dy.get(t * dy.dim[1] + j) * x.get(t * x.dim[1] + i);
      call.out[O::o_dw].set(j * x.dim[1] + i, sum);
    }
}

}  // namespace ht
