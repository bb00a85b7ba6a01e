// The gradient of a plain weight on the device: one product, both operands read along their tokens.
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
