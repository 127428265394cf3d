#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/parameter.h"

namespace espalier::layers {

// How weights begin. With fan_in and fan_out the inputs and outputs of one unit (kernel positions included):
//   kaiming: variance 2 / fan_in (He et al., ICCV 2015), xavier: 2 / (fan_in + fan_out) (Glorot & Bengio,
//   AISTATS 2010), lecun: 1 / fan_in (LeCun et al. 1998); each as a normal or a uniform distribution of that
//   variance.
// Biases and normalisation shifts begin at 0, normalisation scales at 1.
enum class Initialiser : uint8_t {
  kaiming_normal,
  kaiming_uniform,
  xavier_normal,
  xavier_uniform,
  lecun_normal,
  lecun_uniform
};

const std::vector<std::string>& initialiser_names();
// Throws Error, listing the names, for an unknown one.
Initialiser initialiser_from_name(std::string_view name);

// A fresh value of `parameter` on the host, drawn from (seed, the parameter's name) alone.
Tensor initial_value(const Parameter& parameter, Initialiser initialiser, uint64_t seed);

}  // namespace espalier::layers
