// Hypermodel heads on the device, forward: the trunk t = tanh(u W1^T + b1) and all heads y_i = output_scale (t W2_i^T + b2_i) are one
// launch each (lora_linear_few_cuda.cu): few tokens, so each weight is read once at the bandwidth of memory.
#include <vector>

#include "core/ops_cuda.gen.h"
#include "ops/lora_linear_few_cuda.cuh"

namespace ht::cuda {

void hyper_heads_cuda(const Call& c, Launcher& l) {
  using Op = op::hyper_heads;
  const Tensor &u = c.in[Op::u], &w1 = c.in[Op::w1], &b1 = c.in[Op::b1], &t = c.out[Op::o_t];
  const int n = c.attr[Op::a_n].i;

  FewProducts trunk;
  const Activation input = activation(l, u, Tensor(), TokenMap(), w1.dtype);
  trunk.x = input.data;
  trunk.x_dtype = input.dtype;
  trunk.w_dtype = w1.dtype;
  trunk.tokens = u.dim[0];
  trunk.k = u.dim[1];
  trunk.tanh = true;
  FewWeight weight;
  weight.w = w1.data;
  weight.bias = b1.data;
  weight.bias_bf16 = b1.dtype == DType::BF16;
  weight.y = t.data;
  weight.rows = w1.dim[0];
  few_products(l, trunk, &weight, 1);

  for (DType w_dtype : {DType::F32, DType::BF16}) {
    FewProducts heads;
    heads.x = t.data;
    heads.w_dtype = w_dtype;
    heads.tokens = t.dim[0];
    heads.k = t.dim[1];
    heads.factor = c.attr[Op::a_output_scale].f;
    std::vector<FewWeight> weights;
    for (int i = 0; i < n; ++i) {
      const Tensor &w2 = Op::in(c, Op::w2, i), &b2 = Op::in(c, Op::b2, i);
      if (w2.dtype != w_dtype) continue;
      FewWeight head;
      head.w = w2.data;
      head.bias = b2.data;
      head.bias_bf16 = b2.dtype == DType::BF16;
      head.y = Op::out(c, Op::o_y, i).data;
      head.rows = w2.dim[0];
      weights.push_back(head);
    }
    few_products(l, heads, weights.data(), static_cast<int>(weights.size()));
  }
}

}  // namespace ht::cuda
