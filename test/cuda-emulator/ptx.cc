#include "ptx.h"

#include <cstring>

#include "half_types.h"
#include "warp_functions.h"

namespace emulator {
namespace {

constexpr int kM = 16, kN = 8, kK = 16;

template <Half type>
float widen(uint32_t bits) {
  return type == Half::bf16 ? bf16_to_float(static_cast<uint16_t>(bits)) : half_to_float(static_cast<uint16_t>(bits));
}

// What a lane holds: group = lane / 4, t = lane % 4.
//   a[i]: row group + 8 (i & 1), columns 2 t + 8 (i >> 1) and the next;  b[i]: rows 2 t + 8 i and the next, column group
//   d[i]: row group + 8 (i >> 1), column 2 t + (i & 1)
template <Half type>
void combine_mma(Exchange& e) {
  float a[kM][kK], b[kK][kN], d[kM][kN] = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    uint32_t held[6];
    std::memcpy(held, e.slot[lane], sizeof held);
    const int group = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      float* at = &a[group + 8 * (i & 1)][2 * t + 8 * (i >> 1)];
      at[0] = widen<type>(held[i]);
      at[1] = widen<type>(held[i] >> 16);
    }
    for (int i = 0; i < 2; ++i) {
      b[2 * t + 8 * i][group] = widen<type>(held[4 + i]);
      b[2 * t + 8 * i + 1][group] = widen<type>(held[4 + i] >> 16);
    }
  }
  for (int i = 0; i < kM; ++i)
    for (int k = 0; k < kK; ++k)
      for (int j = 0; j < kN; ++j) d[i][j] += a[i][k] * b[k][j];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int group = lane / 4, t = lane % 4;
    const float held[4] = {d[group][2 * t], d[group][2 * t + 1], d[group + 8][2 * t], d[group + 8][2 * t + 1]};
    std::memcpy(e.slot[lane], held, sizeof held);
  }
}

// From 32 addresses to one fragment register per matrix and lane: row lane / 4 (of the transposed matrix: column), elements
// 2 (lane % 4) and the next.
template <int Count, bool Transposed>
void combine_ldmatrix(Exchange& e) {
  const uint16_t* row[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) std::memcpy(&row[lane], e.slot[lane], sizeof row[lane]);
  for (int lane = 0; lane < kLanes; ++lane) {
    uint32_t held[Count];
    for (int i = 0; i < Count; ++i) {
      const int g = lane / 4, t = lane % 4 * 2;
      const uint16_t first = Transposed ? row[i * 8 + t][g] : row[i * 8 + g][t], second = Transposed ? row[i * 8 + t + 1][g] : row[i * 8 + g][t + 1];
      held[i] = first | static_cast<uint32_t>(second) << 16;
    }
    std::memcpy(e.slot[lane], held, sizeof held);
  }
}

using Combine = void (*)(Exchange&);
Combine ldmatrix_of(int count, bool transposed) {
  switch (count) {
    case 1: return transposed ? combine_ldmatrix<1, true> : combine_ldmatrix<1, false>;
    case 2: return transposed ? combine_ldmatrix<2, true> : combine_ldmatrix<2, false>;
    default: return transposed ? combine_ldmatrix<4, true> : combine_ldmatrix<4, false>;
  }
}

constexpr unsigned kAllLanes = 0xffffffffu;

}  // namespace

void mma_m16n8k16(Half type, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4], Place place) {
  const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  float sum[4];
  exchange({kAllLanes, WarpOp::Mma, static_cast<int>(type), place, type == Half::bf16 ? combine_mma<Half::bf16> : combine_mma<Half::f16>}, mine, sizeof mine, lane_now(), sum, sizeof sum);
  for (int i = 0; i < 4; ++i) d[i] = c[i] + sum[i];
}

void load_matrices(int count, bool transposed, uint32_t* r, const void* row, Place place) {
  const int lane = lane_now();
  if (lane < 8 * count) {
    if (reinterpret_cast<uintptr_t>(row) % 16) fail("ldmatrix: a row address is not aligned to 16 bytes", place, kMisalignedAddress);
    note_read(row, 16);
  } else {
    row = nullptr;  // the instruction does not look at it
  }
  exchange({kAllLanes, WarpOp::LoadMatrix, count * 2 + transposed, place, ldmatrix_of(count, transposed)}, &row, sizeof row, lane, r, static_cast<size_t>(count) * 4);
}

}  // namespace emulator
