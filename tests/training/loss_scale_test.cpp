#include "training/loss_scale.h"

#include <limits>

#include "tests/support/catch.h"

namespace espalier {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity(),
                 kNaN = std::numeric_limits<double>::quiet_NaN();

TEST_CASE("a loss scale is halved by gradients that overflow, whose step is not taken") {
  LossScale scale;
  CHECK(scale.value() == 65536);
  CHECK_FALSE(scale.accept(kInfinity));
  CHECK_FALSE(scale.accept(kNaN));
  CHECK(scale.value() == 16384);
  CHECK(scale.accept(1e30));
  CHECK(scale.value() == 16384);
}

TEST_CASE("a loss scale is doubled by two thousand steps in a row") {
  LossScale scale;
  for (int step = 1; step < 2000; ++step) CHECK(scale.accept(1));
  CHECK(scale.value() == 65536);
  CHECK(scale.accept(1));
  CHECK(scale.value() == 131072);
  for (int step = 0; step < 1999; ++step) scale.accept(1);
  CHECK_FALSE(scale.accept(kInfinity));
  for (int step = 0; step < 1999; ++step) scale.accept(1);
  CHECK(scale.value() == 65536);
}

TEST_CASE("gradients that overflow without a scale are an error") {
  LossScale scale;
  for (int halving = 0; halving < 16; ++halving) CHECK_FALSE(scale.accept(kInfinity));
  CHECK(scale.value() == 1);
  CHECK_ERROR(scale.accept(kNaN), "[train] the norm of the gradients is nan though the loss is not scaled");
}

TEST_CASE("a loss scale goes on where it was, and nowhere else") {
  LossScale scale;
  scale.restore(8, 1999);
  CHECK(scale.accept(1));
  CHECK(scale.value() == 16);
  CHECK(scale.steps() == 0);
  for (double value : {0.0, 0.5, -2.0, 3.0, 0x1p65, kInfinity, kNaN})
    CHECK_ERROR(scale.restore(value, 0), "expected a power of two from 1 to 2^64");
  CHECK_ERROR(scale.restore(2, -1), "-1 steps old");
}

}  // namespace
}  // namespace espalier
