// Numbers of one Adafactor update that do not depend on the element.
#pragma once
#include <algorithm>
#include <cmath>

#include "core/tensor.h"

namespace ht {

struct AdafactorStep {
  double gscale, beta2, beta1, eps1, lr, shrink, clip;

  // `squares`: sum of the squares of the parameter before the update.
  template <class Op>
  static AdafactorStep of(const Call& c, double squares) {
    const double n = static_cast<double>(c.in[Op::param].size());
    const double scale = c.attr[Op::a_scale_parameter].i ? std::max<double>(c.attr[Op::a_eps2].f, std::sqrt(squares / n)) : 1.0;
    const double lr = c.in[Op::rates].get(0) * c.attr[Op::a_lr_scale].f * scale;
    return {c.in[Op::gscale].get(0), c.in[Op::rates].get(1), c.attr[Op::a_beta1].f, c.attr[Op::a_eps1].f, lr, lr * c.attr[Op::a_weight_decay].f, c.attr[Op::a_clip_threshold].f};
  }

  // Learning rate over how much the update is too large; `squares`: sum of its squares.
  double clipped_rate(double squares, double n) const { return lr / std::max(1.0, std::sqrt(squares / n) / clip); }
};

}  // namespace ht
