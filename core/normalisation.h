#pragma once

#include <vector>

namespace espalier {

// What is done to pixels before a network sees them: (pixel / 255 - mean) / standard_deviation, a number of
// each per channel.
struct Normalisation {
  std::vector<double> mean, standard_deviation;
  bool operator==(const Normalisation&) const = default;
};

}  // namespace espalier
