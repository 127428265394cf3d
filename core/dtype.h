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

size_t item_size(DType dtype);
std::string_view name(DType dtype);
std::string_view name(Device device);
// Throws Error, naming the devices there are, when `name` is none of them.
Device device_from_name(std::string_view name);

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
