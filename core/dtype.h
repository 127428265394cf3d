#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace espalier {

// float32 is what networks train in. float64 exists for gradient checks and runs on Device::reference only.
enum class DType : uint8_t { float32, float64, uint8, int32, int64 };

// Device::reference is host memory with plain, unoptimised kernels: the oracle that the others are tested
// against.
enum class Device : uint8_t { cpu, reference, cuda };
inline constexpr Device kDevices[] = {Device::cpu, Device::reference, Device::cuda};

// What matrix products and convolutions round their factors to; their sums, like every tensor, are float32 in
// any case. tf32 and float16 have 10 bits of mantissa, which tensor cores multiply several times faster.
// float16 ends at 65504 and loses what lies below 6e-8: training scales its loss (training/loss_scale.h).
enum class Precision : uint8_t { float32, tf32, float16 };
inline constexpr Precision kPrecisions[] = {Precision::float32, Precision::tf32, Precision::float16};

size_t item_size(DType dtype);
std::string_view name(DType dtype);
std::string_view name(Device device);
std::string_view name(Precision precision);
// Throws Error, naming the devices there are, when `name` is none of them.
Device device_from_name(std::string_view name);
Precision precision_from_name(std::string_view name);  // likewise

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::float64;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::uint8;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::int32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::int64;
};

}  // namespace espalier
