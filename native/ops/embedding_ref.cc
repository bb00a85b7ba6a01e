// Reference kernels of the embedding look-up.
#include "ops/embedding.h"

#include <algorithm>

#include "core/ops.gen.h"

namespace ht {

void embedding_ref(const Call& c) {
  using Op = op::embedding;
  const Tensor &table = c.in[Op::table], &prompt = c.in[Op::prompt], &ids = c.in[Op::ids];
  Tensor& y = c.out[Op::o_y];
  const int64_t vocab = table.dim[0], width = table.dim[1], prompts = prompt ? prompt.dim[0] : 0;
  for (int64_t t = 0; t < ids.dim[0]; ++t) {
    const int64_t id = checked_index(ids.i32()[t], 0, vocab + prompts, c.flags);
    const Tensor& source = id < vocab ? table : prompt;
    const int64_t row = id < vocab ? id : id - vocab;
    for (int64_t j = 0; j < width; ++j) y.set(t * width + j, id < 0 ? 0.0 : source.get(row * width + j));
  }
}

void embedding_grad_ref(const Call& c) {
  using Op = op::embedding_grad;
  const Tensor &table = c.in[Op::table], &ids = c.in[Op::ids], &dy = c.in[Op::dy];
  Tensor &dtable = c.out[Op::o_dtable], &dprompt = c.out[Op::o_dprompt];
  const int64_t vocab = table.dim[0], width = table.dim[1], rows = vocab + (dprompt ? dprompt.dim[0] : 0);
  const TokensById tokens(ids, rows, c.flags);
  std::vector<double> total(width);
  for (int64_t id = dtable ? 0 : vocab; id < rows; ++id) {
    std::fill(total.begin(), total.end(), 0.0);
    for (int64_t k = tokens.start[id]; k < tokens.start[id + 1]; ++k)
      for (int64_t j = 0; j < width; ++j) total[j] += dy.get(tokens.token[k] * width + j);
    Tensor& out = id < vocab ? dtable : dprompt;
    const int64_t row = id < vocab ? id : id - vocab;
    for (int64_t j = 0; j < width; ++j) out.set(row * width + j, total[j]);
  }
}

}  // namespace ht
