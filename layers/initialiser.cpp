#include "layers/initialiser.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace espalier::layers {

const std::vector<std::string>& initialiser_names() {
  static const std::vector<std::string> kNames = {"kaiming_normal", "kaiming_uniform", "xavier_normal",
                                                  "xavier_uniform", "lecun_normal",    "lecun_uniform"};
  return kNames;
}

Initialiser initialiser_from_name(std::string_view name) {
  const auto& names = initialiser_names();
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Initialiser>(i);
  fail("[initialiser] unknown name '{}'; the names are {}", name, fmt::join(names, ", "));
}

Tensor initial_value(const Parameter& parameter, Initialiser initialiser, uint64_t seed) {
  const Shape& shape = parameter.shape;
  if (parameter.kind == ParameterKind::norm_scale) return Tensor::full(shape, 1.0);
  if (parameter.kind != ParameterKind::weight) return Tensor::zeros(shape);

  // (O, I) or (O, H, W, I): the first axis counts units, the rest is one unit's input.
  const double fan_in = static_cast<double>(shape.numel() / shape[0]);
  const double fan_out = static_cast<double>(shape.numel() / shape[shape.rank() - 1]);
  double variance = 0;
  switch (initialiser) {
    case Initialiser::kaiming_normal:
    case Initialiser::kaiming_uniform:
      variance = 2 / fan_in;
      break;
    case Initialiser::xavier_normal:
    case Initialiser::xavier_uniform:
      variance = 2 / (fan_in + fan_out);
      break;
    case Initialiser::lecun_normal:
    case Initialiser::lecun_uniform:
      variance = 1 / fan_in;
      break;
  }
  const bool uniform = initialiser == Initialiser::kaiming_uniform ||
                       initialiser == Initialiser::xavier_uniform ||
                       initialiser == Initialiser::lecun_uniform;
  RandomStream random(seed, "initialise/" + parameter.name);
  if (!uniform) return random.normal(shape, 0, std::sqrt(variance));
  const double bound = std::sqrt(3 * variance);
  return random.uniform(shape, -bound, bound);
}

}  // namespace espalier::layers
