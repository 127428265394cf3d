#include "core/shape.h"

#include <algorithm>

#include "core/error.h"

namespace espalier {

Shape::Shape(std::initializer_list<int64_t> extents)
    : Shape(std::span<const int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const int64_t> extents) : rank_(static_cast<int>(extents.size())) {
  check(extents.size() <= kMaxRank, "[shape] rank {} exceeds the largest supported, {}", extents.size(),
        kMaxRank);
  std::copy(extents.begin(), extents.end(), extents_.begin());
  for (int64_t extent : extents) {
    check(extent >= 0, "[shape] negative extent {} in ({})", extent, fmt::join(extents, ", "));
    check(!__builtin_mul_overflow(numel_, extent, &numel_),
          "[shape] ({}) has more elements than 64 bits count", fmt::join(extents, ", "));
  }
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string Shape::to_string() const {
  return fmt::format("({})", fmt::join(begin(), end(), ", "));
}

}  // namespace espalier
