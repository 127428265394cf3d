#include "core/ops/common.h"

namespace espalier::ops {

void check_residual(std::string_view operation, const Tail& tail, const Shape& y) {
  check(!tail.residual.defined() || tail.residual.shape() == y, "[{}] residual of shape {}; expected {}",
        operation, shape_of(tail.residual), y);
  check(!tail.activation || *tail.activation == UnaryOp::relu || *tail.activation == UnaryOp::relu6,
        "[{}] a tail's activation can only be relu or relu6", operation);
}

Epilogue epilogue_of(std::string_view operation, const Variable& bias, const Tail& tail, const Shape& y) {
  check_residual(operation, tail, y);
  const Shape channels{y.columns()};
  check(!bias.defined() || bias.shape() == channels, "[{}] bias of shape {}; expected {}", operation,
        shape_of(bias), channels);
  check(tail.factor.defined() == tail.offset.defined() &&
            (!tail.factor.defined() || (tail.factor.shape() == channels && tail.offset.shape() == channels)),
        "[{}] a tail's factor and offset go together and need shape {}", operation, channels);
  Epilogue epilogue{tail.factor, tail.offset, tail.residual.defined() ? tail.residual.value() : Tensor(),
                    tail.activation, tail.precedes_batch_norm};
  if (!bias.defined()) return epilogue;
  if (!tail.factor.defined()) {
    epilogue.offset = bias.value();
    return epilogue;
  }
  // (z + bias) factor + offset = z factor + (bias factor + offset).
  epilogue.offset = Tensor(channels, bias.value().dtype(), bias.value().device());
  epilogue.offset.backend().epilogue(bias.value(), {.factor = tail.factor, .offset = tail.offset},
                                     epilogue.offset);
  return epilogue;
}

Tensor backward_through(const Tail& tail, const Variable& bias, const Tensor& y, const Tensor& dy) {
  check(!tail.factor.defined(),
        "[backward] a batch normalisation that was folded into a layer has no gradient; expected one of its "
        "own");
  Tensor dz = dy;
  if (tail.activation) {
    dz = Tensor(dy.shape(), dy.dtype(), dy.device());
    dy.backend().unary_backward(*tail.activation, y, dy, dz);
  }
  tail.residual.accumulate(dz);
  if (bias.requires_gradient()) {
    Tensor dbias = like(bias);
    dy.backend().sum_rows(dz, dbias);
    bias.accumulate(dbias);
  }
  return dz;
}

}  // namespace espalier::ops
