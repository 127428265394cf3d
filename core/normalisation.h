#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

// What is done to pixels before a network sees them: (pixel / 255 - mean) / standard_deviation, a number of
// each per channel.
struct Normalisation {
  std::vector<double> mean, standard_deviation;
  bool operator==(const Normalisation&) const = default;

  // This one, its empty parts taken from `other`.
  Normalisation or_else(const Normalisation& other) const;
};

// Throws Error, beginning with `origin`, unless there are `channels` means and standard deviations, all
// finite and the latter positive.
void check_normalisation(const Normalisation& normalisation, int64_t channels, const std::string& origin);

}  // namespace espalier
