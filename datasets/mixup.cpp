#include "datasets/mixup.h"

#include <cmath>

namespace espalier::datasets {
namespace {

// The logarithm of a draw from Gamma(shape, 1): Marsaglia & Tsang, "A simple method for generating gamma
// variables", ACM TOMS 2000, for shape + 1, brought down by a uniform draw's root. As a logarithm, because a
// small shape's draws are often too small for a double.
double log_gamma_draw(double shape, RandomStream& random) {
  const double d = shape + 1 - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), cube = 1 + c * x;
    const double v = cube * cube * cube, u = 1 - random.uniform();  // (0, 1]
    if (v > 0 && std::log(u) < x * x / 2 + d - d * v + d * std::log(v))
      return std::log(d * v) + std::log(1 - random.uniform()) / shape;
  }
}

}  // namespace

double mixup_share(double alpha, RandomStream& random) {
  const double first = log_gamma_draw(alpha, random), second = log_gamma_draw(alpha, random);
  return 1 / (1 + std::exp(second - first));
}

void mix_reversed(std::span<float> images, int64_t count, float lambda) {
  const size_t pixels = images.size() / static_cast<size_t>(count);
  for (int64_t i = 0; i < count / 2; ++i) {
    const auto one = images.subspan(static_cast<size_t>(i) * pixels, pixels);
    const auto other = images.subspan(static_cast<size_t>(count - 1 - i) * pixels, pixels);
    for (size_t p = 0; p < pixels; ++p) {
      const float a = one[p], b = other[p];
      one[p] = lambda * a + (1 - lambda) * b;
      other[p] = lambda * b + (1 - lambda) * a;
    }
  }
}

}  // namespace espalier::datasets
