// Indices that the device computed: kernels clamp them and raise a flag that the engine reads after the run.
#pragma once
#include <cstdint>

#include "core/tensor.h"

namespace ht {

inline void flag_bad_index(RunFlags* flags) {
  if (flags) flags->bad_index.store(1, std::memory_order_relaxed);
}

// `index` if it lies in [lo, hi), else the nearest that does, with the flag raised; -1 where the range is empty.
inline int64_t checked_index(int64_t index, int64_t lo, int64_t hi, RunFlags* flags) {
  if (index >= lo && index < hi) return index;
  flag_bad_index(flags);
  if (lo >= hi) return -1;
  return index < lo ? lo : hi - 1;
}

}  // namespace ht
