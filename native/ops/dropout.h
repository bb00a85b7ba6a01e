// Which elements dropout keeps. All backends compare integers, so they keep the same ones.
#pragma once
#include <cmath>

#include "core/rng.h"
#include "core/tensor.h"

namespace ht {

struct DropoutMask {
  PhiloxKey key;
  uint32_t step, microbatch, stream;
  uint64_t drop_below;  // an element whose 32 random bits are below this is dropped
  double scale;         // 1 / (1 - rate); 0 where everything is dropped

  // `key` holds seed low, seed high, step, microbatch. A rate that is not above 0 keeps all, one of 1 or more none.
  DropoutMask(const int32_t* words, float rate, int32_t stream_id)
      : key{static_cast<uint32_t>(words[0]), static_cast<uint32_t>(words[1])},
        step(static_cast<uint32_t>(words[2])),
        microbatch(static_cast<uint32_t>(words[3])),
        stream(static_cast<uint32_t>(stream_id)) {
    const double r = rate > 0 ? (rate < 1 ? rate : 1.0) : 0.0;
    drop_below = static_cast<uint64_t>(std::llround(r * 4294967296.0));
    scale = r < 1 ? 1.0 / (1.0 - r) : 0.0;
  }

  // Random bits of elements 4 * group .. 4 * group + 3.
  Philox4 bits(int64_t group) const {
    return philox4x32({{static_cast<uint32_t>(group), step, microbatch, stream}}, key);
  }
};

}  // namespace ht
