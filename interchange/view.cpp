#include <bit>

#include "interchange/formats.h"

namespace espalier::interchange {
namespace {

float from_half(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

// Calls visit(element's place in the storage) in row-major order of the view. REQUIRES: the shape has
// elements.
template <typename Visit>
void for_each_place(const Shape& shape, std::span<const int64_t> strides, int64_t place, Visit visit) {
  std::array<int64_t, Shape::kMaxRank> index{};
  for (int64_t i = 0; i < shape.numel(); ++i) {
    visit(place);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      place += strides[static_cast<size_t>(axis)];
      if (++index[static_cast<size_t>(axis)] < shape[axis]) break;
      place -= strides[static_cast<size_t>(axis)] * shape[axis];
      index[static_cast<size_t>(axis)] = 0;
    }
  }
}

template <typename Stored, typename Element, typename Convert>
Tensor gather(std::span<const std::byte> bytes, int64_t offset, const Shape& shape,
              std::span<const int64_t> strides, Convert convert) {
  Tensor tensor(shape, DTypeOf<Element>::value);
  Element* out = tensor.data<Element>();
  if (shape.numel() > 0)
    for_each_place(shape, strides, offset, [&](int64_t place) {
      Stored stored;
      std::memcpy(&stored, bytes.data() + static_cast<size_t>(place) * sizeof stored, sizeof stored);
      *out++ = convert(stored);
    });
  return tensor;
}

// The place of the last element, checked against overflow.
int64_t last_place(int64_t offset, const Shape& shape, std::span<const int64_t> strides) {
  int64_t last = offset;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const int64_t stride = strides[static_cast<size_t>(axis)];
    int64_t extent = 0;
    check(stride >= 0 && !__builtin_mul_overflow(shape[axis] - 1, stride, &extent) &&
              !__builtin_add_overflow(last, extent, &last),
          "stride {} of axis {} of a tensor {} is impossible", stride, axis, shape.to_string());
  }
  return last;
}

}  // namespace

Tensor gather_view(std::span<const std::byte> bytes, StorageKind kind, int64_t offset, const Shape& shape,
                   std::span<const int64_t> strides) {
  const auto elements = static_cast<int64_t>(bytes.size() / item_size(kind));
  check(offset >= 0 && shape.numel() <= elements,
        "a tensor {} at element {} does not fit into its storage of {} elements", shape.to_string(), offset,
        elements);
  if (shape.numel() > 0) {
    const int64_t last = last_place(offset, shape, strides);
    check(last < elements, "a tensor {} ends at element {}; its storage has {}", shape.to_string(), last,
          elements);
  }
  const auto same = [](auto value) { return value; };
  switch (kind) {
    case StorageKind::float32:
      return gather<float, float>(bytes, offset, shape, strides, same);
    case StorageKind::float64:
      return gather<double, float>(bytes, offset, shape, strides,
                                   [](double v) { return static_cast<float>(v); });
    case StorageKind::float16:
      return gather<uint16_t, float>(bytes, offset, shape, strides, from_half);
    case StorageKind::bfloat16:
      return gather<uint16_t, float>(bytes, offset, shape, strides,
                                     [](uint16_t v) { return std::bit_cast<float>(uint32_t{v} << 16); });
    case StorageKind::uint8:
      return gather<uint8_t, uint8_t>(bytes, offset, shape, strides, same);
    case StorageKind::int32:
      return gather<int32_t, int32_t>(bytes, offset, shape, strides, same);
    case StorageKind::int64:
      return gather<int64_t, int64_t>(bytes, offset, shape, strides, same);
  }
  fail("a storage of unknown kind");
}

}  // namespace espalier::interchange
