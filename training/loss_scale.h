#pragma once

#include <cstdint>

namespace espalier {

// By what a loss is multiplied before its gradients are taken, so that what float16 would lose of them stays
// (Micikevicius et al., Mixed Precision Training, ICLR 2018, section 3.2). It is a power of two: dividing by
// it rounds nothing. It starts at 2^16, is halved by a step whose gradients overflow, which is not taken, and
// doubled after 2000 that did not.
class LossScale {
 public:
  double value() const { return value_; }
  // What becomes of a step whose scaled gradients have this norm: true: it is taken. Throws Error when they
  // are not finite though the scale is 1.
  bool accept(double gradient_norm);

  int64_t steps() const { return steps_; }  // since the scale last changed
  // Throws Error for a scale that is no power of two of at least 1, or negative steps.
  void restore(double value, int64_t steps);

 private:
  double value_ = 65536;
  int64_t steps_ = 0;
};

}  // namespace espalier
