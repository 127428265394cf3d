#pragma once

#include <cstdint>
#include <limits>

#include "core/backend.h"

namespace espalier::cpu {

// What happens to an element z of column j of a product on its way to memory: clamp(z factor[j] + offset[j] +
// residual[z's place]). Null pointers leave a part out. NaN stays NaN.
struct EpilogueView {
  const float* factor = nullptr;
  const float* offset = nullptr;
  const float* residual = nullptr;  // laid out as the output
  float lowest = -std::numeric_limits<float>::infinity();
  float highest = std::numeric_limits<float>::infinity();

  bool clamps() const { return lowest > -std::numeric_limits<float>::infinity(); }
  bool is_empty() const { return !factor && !offset && !residual && !clamps(); }
  // Of one element z in column `column`, `element` floats into the output.
  float operator()(float z, int64_t column, int64_t element) const {
    if (factor) z *= factor[column];
    if (offset) z += offset[column];
    if (residual) z += residual[element];
    z = z < lowest ? lowest : z;
    return z > highest ? highest : z;
  }
  // The view for the part of the output that begins `columns` to the right and `elements` further on.
  EpilogueView from(int64_t columns, int64_t elements) const {
    return {factor ? factor + columns : nullptr, offset ? offset + columns : nullptr,
            residual ? residual + elements : nullptr, lowest, highest};
  }
};

inline EpilogueView view_of(const Epilogue& epilogue) {
  const auto pointer = [](const Tensor& tensor) { return tensor.defined() ? tensor.data<float>() : nullptr; };
  const Clamp clamp = clamp_of(epilogue.activation);
  return {pointer(epilogue.factor), pointer(epilogue.offset), pointer(epilogue.residual), clamp.lowest,
          clamp.highest};
}

}  // namespace espalier::cpu
