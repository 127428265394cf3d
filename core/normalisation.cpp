#include "core/normalisation.h"

#include <cmath>

#include "core/error.h"

namespace espalier {

Normalisation Normalisation::or_else(const Normalisation& other) const {
  return {mean.empty() ? other.mean : mean,
          standard_deviation.empty() ? other.standard_deviation : standard_deviation};
}

void check_normalisation(const Normalisation& normalisation, int64_t channels, const std::string& origin) {
  const auto& [mean, deviation] = normalisation;
  const auto due = static_cast<size_t>(channels);
  check(mean.size() == due && deviation.size() == due,
        "{}: {} means and {} standard deviations for {} channels", origin, mean.size(), deviation.size(),
        channels);
  for (size_t channel = 0; channel < due; ++channel) {
    check(std::isfinite(mean[channel]), "{}: mean {} of channel {}; expected a finite number", origin,
          mean[channel], channel);
    check(std::isfinite(deviation[channel]) && deviation[channel] > 0,
          "{}: standard deviation {} of channel {}; expected > 0", origin, deviation[channel], channel);
  }
}

}  // namespace espalier
