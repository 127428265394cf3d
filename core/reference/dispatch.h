#pragma once

#include "core/tensor.h"

namespace espalier::reference {

// Calls body(T{}) with T the floating type of `tensor`.
template <typename Body>
void dispatch(const Tensor& tensor, Body body) {
  switch (tensor.dtype()) {
    case DType::float32:
      return body(float{});
    case DType::float64:
      return body(double{});
    default:
      fail("[reference] {} came, float32 or float64 is due", name(tensor.dtype()));
  }
}

}  // namespace espalier::reference
