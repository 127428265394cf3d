#pragma once

#include "core/autograd/variable.h"
#include "core/backend.h"
#include "core/ops.h"

namespace espalier::ops {

// An uninitialised tensor on the device and of the dtype of `x`.
inline Tensor like(const Variable& x, const Shape& shape) {
  return Tensor(shape, x.value().dtype(), x.value().device());
}
inline Tensor like(const Variable& x) {
  return like(x, x.shape());
}

// For messages; that of an undefined variable is a scalar's.
inline Shape shape_of(const Variable& x) {
  return x.defined() ? x.shape() : Shape();
}

// Of a linear operation's bias and tail. Throws Error for parts that do not fit an output of shape `y`.
Epilogue epilogue_of(std::string_view operation, const Variable& bias, const Tail& tail, const Shape& y);
// The gradient before the tail's activation, from the output and its gradient; passes on what is the
// residual's and the bias's (the column sums).
Tensor backward_through(const Tail& tail, const Variable& bias, const Tensor& y, const Tensor& dy);
void check_residual(std::string_view operation, const Tail& tail, const Shape& y);

}  // namespace espalier::ops
