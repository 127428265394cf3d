#include "training/loss_scale.h"

#include <cmath>

#include "core/error.h"

namespace espalier {
namespace {

constexpr int64_t kStepsToDouble = 2000;
constexpr double kLargestScale = 0x1p64;  // times a loss of 1e18, still a float

}  // namespace

bool LossScale::accept(double gradient_norm) {
  if (!std::isfinite(gradient_norm)) {
    check(value_ > 1, "[train] the norm of the gradients is {} though the loss is not scaled", gradient_norm);
    value_ /= 2;
    steps_ = 0;
    return false;
  }
  if (++steps_ == kStepsToDouble) {
    if (value_ < kLargestScale) value_ *= 2;
    steps_ = 0;
  }
  return true;
}

void LossScale::restore(double value, int64_t steps) {
  int exponent = 0;
  check(std::frexp(value, &exponent) == 0.5 && value >= 1 && value <= kLargestScale && steps >= 0,
        "[train] a loss scale of {}, {} steps old; expected a power of two from 1 to 2^64", value, steps);
  value_ = value;
  steps_ = steps;
}

}  // namespace espalier
