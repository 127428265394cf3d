#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {

Variable batch_norm(const Variable& x, const Variable& scale, const Variable& shift, BatchNormState& state,
                    bool training, const BatchNormOptions& options) {
  const Shape channels{x.shape().columns()};
  for (const Shape& given :
       {scale.shape(), shift.shape(), state.running_mean.shape(), state.running_variance.shape()})
    check(given == channels,
          "[batch_norm] scale, shift and running statistics need shape {} for an input {}; one has {}",
          channels.to_string(), x.shape().to_string(), given.to_string());
  Tensor y = like(x);
  Backend& backend = y.backend();
  if (!training) {
    check(
        !recording() || !(x.requires_gradient() || scale.requires_gradient() || shift.requires_gradient()),
        "[batch_norm] with running statistics has no gradient; use training mode, or no-gradient evaluation");
    backend.batch_norm_inference(x.value(), scale.value(), shift.value(), state.running_mean,
                                 state.running_variance, y, options);
    return Variable(y);
  }
  check(x.shape().rows() > 1, "[batch_norm] needs more than one value per channel to train on; input {}",
        x.shape().to_string());
  Tensor mean = like(scale), inverse_std = like(scale);
  backend.batch_norm(x.value(), scale.value(), shift.value(), state.running_mean, state.running_variance,
                     mean, inverse_std, y, options);
  return Variable::result(
      "batch_norm", y, {x, scale, shift}, [x, scale, shift, mean, inverse_std](const Tensor& dy) {
        Tensor dx = like(x), dscale = like(scale), dshift = like(shift);
        dy.backend().batch_norm_backward(x.value(), scale.value(), mean, inverse_std, dy, dx, dscale, dshift);
        x.accumulate(dx);
        scale.accumulate(dscale);
        shift.accumulate(dshift);
      });
}

}  // namespace espalier::ops
