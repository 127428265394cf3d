#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace espalier::cuda_emulator {

// What tensor cores make of a float32 factor where TF32 is allowed: the nearest with 10 bits of mantissa.
inline float to_tf32(float x) {
  if (!std::isfinite(x)) return x;
  uint32_t bits = std::bit_cast<uint32_t>(x);
  bits += 0xFFF + (bits >> 13 & 1);  // half of the last bit that stays, so that ties go to the even one
  return std::bit_cast<float>(bits & ~uint32_t{0x1FFF});
}

}  // namespace espalier::cuda_emulator
