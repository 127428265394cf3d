#include "tests/cuda_emulator/rounding.h"

#include <cmath>

#include "tests/support/catch.h"

namespace espalier::test {
namespace {

using cuda_emulator::to_float16;
using cuda_emulator::to_tf32;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST_CASE("float16 is the nearest of 10 bits of mantissa, of two the even one") {
  CHECK(to_float16(1 + 0x1p-11f) == 1);
  CHECK(to_float16(1 + 0x1.8p-11f) == 1 + 0x1p-10f);
  CHECK(to_float16(1 + 0x1.8p-10f) == 1 + 0x1p-9f);
  CHECK(to_float16(-0.1f) == -0x1.998p-4f);
  CHECK(to_float16(0.0f) == 0);
}

TEST_CASE("float16 is infinite from 65520 on, and in steps of 2^-24 below 2^-14") {
  CHECK(to_float16(65504.0f) == 65504);
  CHECK(to_float16(std::nextafter(65520.0f, 0.0f)) == 65504);
  CHECK(to_float16(65520.0f) == kInfinity);
  CHECK(to_float16(-1e30f) == -kInfinity);
  CHECK(to_float16(0x1.4p-24f) == 0x1p-24f);
  CHECK(to_float16(0x1p-25f) == 0);
  CHECK(to_float16(0x1.8p-24f) == 0x1p-23f);
  CHECK(to_float16(kInfinity) == kInfinity);
  CHECK(std::isnan(to_float16(std::nanf(""))));
}

TEST_CASE("tf32 has float16's mantissa and float32's exponents") {
  for (float x : {0.1f, 1 / 3.0f, -77.7f, 1 + 0x1p-11f, 1 + 0x1.8p-10f}) CHECK(to_tf32(x) == to_float16(x));
  CHECK(to_tf32(65520.0f) == 65536);
  CHECK(to_tf32(0x1p-30f) == 0x1p-30f);
}

}  // namespace
}  // namespace espalier::test
