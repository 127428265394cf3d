#pragma once

#include <string>

#include "core/autograd/variable.h"

namespace espalier {

// What a parameter is, which decides whether weight decay touches it and whether pruning considers it.
enum class ParameterKind : uint8_t { weight, bias, norm_scale, norm_shift };

// A trainable tensor of a network. `variable` is undefined until the network is initialised or loaded, so
// that a description from an untrusted file costs no memory.
struct Parameter {
  std::string name;  // "<layer>.weight", "<layer>.bias", …
  ParameterKind kind = ParameterKind::weight;
  Shape shape;
  Variable variable;
};

}  // namespace espalier
