#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace espalier::cuda_emulator {

// What tensor cores make of a float32 factor: the nearest with 10 bits of mantissa, of two the even one.
inline float to_tf32(float x) {
  if (!std::isfinite(x)) return x;
  uint32_t bits = std::bit_cast<uint32_t>(x);
  bits += 0xFFF + (bits >> 13 & 1);  // half of the last bit that stays, so that ties go to the even one
  return std::bit_cast<float>(bits & ~uint32_t{0x1FFF});
}

// Likewise, of exponents from -14 to 15: infinite beyond, in steps of 2^-24 below.
inline float to_float16(float x) {
  if (!std::isfinite(x) || x == 0) return x;
  const int exponent = std::max(std::ilogb(x), -14);
  const float rounded = std::scalbn(std::nearbyint(std::scalbn(x, 10 - exponent)), exponent - 10);
  return std::abs(rounded) < 65536.0f ? rounded : std::copysign(std::numeric_limits<float>::infinity(), x);
}

}  // namespace espalier::cuda_emulator
