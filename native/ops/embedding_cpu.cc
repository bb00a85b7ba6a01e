// Fast kernels of the embedding look-up.
#ifndef HT_ISA_PASS
#include "ops/embedding.h"

#include "core/ops.gen.h"
#include "cpu/vec.h"
#include "ops/chunks.h"
#include "ops/convert.h"
#define HT_KERNELS "ops/embedding_cpu.cc"
#include "cpu/each_isa.h"

namespace ht {

void embedding_cpu(const Call& c) {
  using Op = op::embedding;
  const Tensor &table = c.in[Op::table], &prompt = c.in[Op::prompt], &ids = c.in[Op::ids];
  const int64_t vocab = table.dim[0], width = table.dim[1], prompts = prompt ? prompt.dim[0] : 0;
  const Converter from_table(table, c.out[Op::o_y]), from_prompt(prompt ? prompt : table, c.out[Op::o_y]);
  for_row_chunks(ids.dim[0], width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t id = checked_index(ids.i32()[t], 0, vocab + prompts, c.flags);
      if (id < 0) from_table.zero(t * width, width);
      else if (id < vocab) from_table(id * width, t * width, width);
      else from_prompt((id - vocab) * width, t * width, width);
    }
  });
}

void embedding_grad_cpu(const Call& c) {
  using Op = op::embedding_grad;
  const Tensor &table = c.in[Op::table], &dy = c.in[Op::dy];
  Tensor &dtable = c.out[Op::o_dtable], &dprompt = c.out[Op::o_dprompt];
  const int64_t vocab = table.dim[0], width = table.dim[1], rows = vocab + (dprompt ? dprompt.dim[0] : 0);
  // A frozen table costs nothing.
  const int64_t first = dtable ? 0 : vocab;
  const TokensById tokens(c.in[Op::ids], rows, c.flags);
  with_type(dy.dtype, [&](auto type) {
    using T = decltype(type);
    auto* add = HT_DISPATCH(add_row<T>);
    for_row_chunks(rows - first, width, [&](int64_t begin, int64_t end) {
      for (int64_t id = first + begin; id < first + end; ++id) {
        float* total = id < vocab ? dtable.f32() + id * width : dprompt.f32() + (id - vocab) * width;
        std::fill(total, total + width, 0.0f);
        for (int64_t k = tokens.start[id]; k < tokens.start[id + 1]; ++k) add(data_of<T>(dy) + tokens.token[k] * width, total, width);
      }
    });
  });
}

}  // namespace ht
#else
template <class T>
void add_row(const T* x, float* total, int64_t n) {
  for_each_vec(n, [&](int64_t i, int lanes) { (Vec::load(total + i, lanes) + Vec::load(x + i, lanes)).store(total + i, lanes); });
}
#endif
