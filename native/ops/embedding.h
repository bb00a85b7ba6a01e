// Tokens sorted by id, so that the gradient of an embedding visits each row once, its tokens in order.
#pragma once
#include <vector>

#include "core/tensor.h"
#include "ops/index.h"

namespace ht {

struct TokensById {
  std::vector<int64_t> start;   // of id i in `token`; one more entry than ids
  std::vector<int64_t> token;

  // Counting sort of ids [T] in [0, count), stable; ids outside are clamped and flagged.
  TokensById(const Tensor& ids, int64_t count, RunFlags* flags) : start(count + 1, 0), token(count ? ids.size() : 0) {
    if (!count) {
      if (ids.size()) flag_bad_index(flags);
      return;
    }
    for (int64_t t = 0; t < ids.size(); ++t) ++start[checked_index(ids.i32()[t], 0, count, flags) + 1];
    for (int64_t i = 0; i < count; ++i) start[i + 1] += start[i];
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t t = 0; t < ids.size(); ++t) token[next[checked_index(ids.i32()[t], 0, count, flags)]++] = t;
  }
};

}  // namespace ht
