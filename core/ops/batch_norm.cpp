#include "core/ops.h"
#include "core/ops/common.h"

namespace espalier::ops {
namespace {

// The sum over rows of dz times the input as the running statistics normalise it.
Tensor scale_gradient(const Variable& x, const Variable& scale, const Variable& shift,
                      const BatchNormState& state, const BatchNormOptions& options, const Tensor& dz) {
  Tensor one = like(scale), zero = like(shift), factor = like(scale), offset = like(scale);
  Tensor normalised = like(x), dscale = like(scale);
  Backend& backend = one.backend();
  backend.fill(one, 1);
  backend.fill(zero, 0);
  backend.batch_norm_affine(one, zero, state.running_mean, state.running_variance, factor, offset, options);
  backend.epilogue(x.value(), {factor, offset, {}, {}}, normalised);
  backend.binary(BinaryOp::multiply, dz, normalised, normalised);
  backend.sum_rows(normalised, dscale);
  return dscale;
}

}  // namespace

Tail batch_norm_tail(const Variable& scale, const Variable& shift, const BatchNormState& state,
                     const BatchNormOptions& options) {
  Tail tail{.factor = like(scale), .offset = like(shift)};
  tail.factor.backend().batch_norm_affine(scale.value(), shift.value(), state.running_mean,
                                          state.running_variance, tail.factor, tail.offset, options);
  return tail;
}

Variable batch_norm(const Variable& x, const Variable& scale, const Variable& shift, BatchNormState& state,
                    bool training, const BatchNormOptions& options, const Tail& tail) {
  const Shape channels{x.shape().columns()};
  for (const Shape& given :
       {scale.shape(), shift.shape(), state.running_mean.shape(), state.running_variance.shape()})
    check(given == channels,
          "[batch_norm] scale, shift and running statistics need shape {} for an input {}; one has {}",
          channels, x.shape(), given);
  check_residual("batch_norm", tail, x.shape());
  const Tensor residual = tail.residual.defined() ? tail.residual.value() : Tensor();
  Tensor y = like(x);
  Backend& backend = y.backend();
  if (!training) {
    const Tail affine = batch_norm_tail(scale, shift, state, options);
    backend.epilogue(x.value(), {affine.factor, affine.offset, residual, tail.activation}, y);
    return Variable::result(
        "batch_norm", y, {x, scale, shift, tail.residual},
        [x, scale, shift, state, y, options, factor = affine.factor,
         rest = Tail{.residual = tail.residual, .activation = tail.activation}](const Tensor& dy) {
          const Tensor dz = backward_through(rest, shift, y, dy);
          if (x.requires_gradient()) {
            Tensor dx = like(x);
            dx.backend().epilogue(dz, {factor, {}, {}, {}}, dx);
            x.accumulate(dx);
          }
          if (scale.requires_gradient())
            scale.accumulate(scale_gradient(x, scale, shift, state, options, dz));
        });
  }
  check(x.shape().rows() > 1, "[batch_norm] needs more than one value per channel to train on; input {}",
        x.shape());
  BatchNormOptions with_activation = options;
  with_activation.activation = tail.activation;
  Tensor mean = like(scale), inverse_std = like(scale);
  backend.batch_norm(x.value(), scale.value(), shift.value(), residual, state.running_mean,
                     state.running_variance, mean, inverse_std, y, with_activation);
  return Variable::result(
      "batch_norm", y, {x, scale, shift, tail.residual},
      [x, scale, shift, mean, inverse_std, y, rest = tail.residual, with_activation](const Tensor& dy) {
        Tensor dx = like(x), dscale = like(scale), dshift = like(shift);
        Tensor drest;
        if (rest.defined() && with_activation.activation) drest = like(rest);
        dy.backend().batch_norm_backward(x.value(), scale.value(), shift.value(), mean, inverse_std, y, dy,
                                         dx, dscale, dshift, drest, with_activation);
        x.accumulate(dx);
        scale.accumulate(dscale);
        shift.accumulate(dshift);
        rest.accumulate(drest.defined() ? drest : dy);
      });
}

}  // namespace espalier::ops
