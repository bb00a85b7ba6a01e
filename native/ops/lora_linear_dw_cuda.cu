// The gradient of a plain weight on the device: dW = dy^T x, one product over the tokens (cuda/gemm.cu), whose operands both lie with
// tokens as rows. Bytes moved: x once per tile of outputs, dy once per tile of inputs, from the L2 where blocks run side by side; dW
// once. Many tokens and a small weight make few tiles and a long k, which gemm cuts.
#include "core/ops_cuda.gen.h"
#include "cuda/gemm.h"
#include "cuda/launcher.h"

namespace ht::cuda {

void linear_dw_cuda(const Call& c, Launcher& l) {
  using Op = op::linear_dw;
  const Tensor &x = c.in[Op::x], &dy = c.in[Op::dy], &dw = c.out[Op::o_dw];
  Gemm g{dy.dim[1], x.dim[1], x.dim[0], {dy.data, dy.dtype, 1, dy.dim[1]}, {x.data, x.dtype, x.dim[1], 1}, dw.data, DType::F32, x.dim[1]};
  gemm(l, g);
}

}  // namespace ht::cuda
