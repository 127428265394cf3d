#pragma once

#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace espalier {

// The extents of a row-major tensor, outermost first. Images are (N, H, W, C), convolution weights (O, H, W,
// I), linear weights (O, I); a scalar has rank 0 and one element. Held inline: copying a Shape allocates
// nothing.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> extents);
  // Throws Error when the rank exceeds kMaxRank, an extent is negative, or the element count overflows int64.
  explicit Shape(std::span<const int64_t> extents);

  int rank() const { return rank_; }
  // REQUIRES: -rank() <= axis < rank(); a negative axis counts from the last.
  int64_t operator[](int axis) const { return extents_[axis < 0 ? axis + rank_ : axis]; }
  int64_t numel() const { return numel_; }
  // Number of rows and row length when everything but the last axis is flattened. A scalar is 1 row of 1.
  int64_t rows() const { return columns() == 0 ? 0 : numel_ / columns(); }
  int64_t columns() const { return rank_ == 0 ? 1 : extents_[rank_ - 1]; }

  const int64_t* begin() const { return extents_.data(); }
  const int64_t* end() const { return extents_.data() + rank_; }
  bool operator==(const Shape& other) const;
  std::string to_string() const;  // "(64, 28, 28, 1)"

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
  int64_t numel_ = 1;
};

}  // namespace espalier

template <>
struct fmt::formatter<espalier::Shape> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(const espalier::Shape& shape, Context& context) const {
    return fmt::formatter<std::string_view>::format(shape.to_string(), context);
  }
};
