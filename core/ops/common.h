#pragma once

#include "core/autograd/variable.h"
#include "core/backend.h"

namespace espalier::ops {

// An uninitialised tensor on the device and of the dtype of `x`.
inline Tensor like(const Variable& x, const Shape& shape) {
  return Tensor(shape, x.value().dtype(), x.value().device());
}
inline Tensor like(const Variable& x) {
  return like(x, x.shape());
}

// The gradient of a bias that was added to every row: the column sums of dy.
inline void accumulate_bias(const Variable& bias, const Tensor& dy) {
  if (!bias.requires_gradient()) return;
  Tensor dbias = like(bias);
  dy.backend().sum_rows(dy, dbias);
  bias.accumulate(dbias);
}

}  // namespace espalier::ops
