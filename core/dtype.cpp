#include "core/dtype.h"

#include "core/error.h"

namespace espalier {

size_t item_size(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return 4;
    case DType::float64:
      return 8;
    case DType::uint8:
      return 1;
    case DType::int32:
      return 4;
    case DType::int64:
      return 8;
  }
  fail("[dtype] unknown dtype {}", static_cast<int>(dtype));
}

std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::uint8:
      return "uint8";
    case DType::int32:
      return "int32";
    case DType::int64:
      return "int64";
  }
  fail("[dtype] unknown dtype {}", static_cast<int>(dtype));
}

std::string_view name(Device device) {
  switch (device) {
    case Device::cpu:
      return "cpu";
    case Device::reference:
      return "reference";
    case Device::cuda:
      return "cuda";
  }
  fail("[device] unknown device {}", static_cast<int>(device));
}

std::string_view name(Precision precision) {
  switch (precision) {
    case Precision::float32:
      return "float32";
    case Precision::tf32:
      return "tf32";
    case Precision::float16:
      return "float16";
  }
  fail("[precision] unknown precision {}", static_cast<int>(precision));
}

Device device_from_name(std::string_view text) {
  for (Device device : kDevices)
    if (name(device) == text) return device;
  fail("[device] unknown device '{}'; the devices are cpu, cuda and reference", text);
}

Precision precision_from_name(std::string_view text) {
  for (Precision precision : kPrecisions)
    if (name(precision) == text) return precision;
  fail("[precision] unknown precision '{}'; the precisions are float32, tf32 and float16", text);
}

}  // namespace espalier
