#pragma once

#include <algorithm>

#include "core/cpu/conv2d.h"
#include "core/cpu/gemm_kernel.h"
#include "core/cpu/parallel.h"
#include "core/cpu/winograd_kernel.h"

// What the ways of Winograd's convolution share: images as tiles, and where their transforms lie.
namespace espalier::cpu::winograd {

// A cache line more than a round number between points, so that a tile's points do not share cache sets.
inline constexpr int64_t kSkew = 16;

// Channels in whole vectors, as a transformed tile has them: only the images' own have ragged ends.
inline int64_t whole(int64_t channels) {
  const int64_t lanes = panel_width() / 2;
  return ceil_div(channels, lanes) * lanes;
}

inline int64_t stride_of(int64_t tiles, int64_t channels) {
  return ceil_div(tiles * whole(channels), kSkew) * kSkew + kSkew;
}

// Transformed tiles, of an input's and an output's channels, that a thread works on at a time: they stay in
// L2, as long as that leaves enough rows for products to reach their speed.
inline constexpr int64_t kLeastTiles = 28;
inline int64_t fitting_tiles(const ConvShape& s) {
  constexpr int64_t kBlockFloats = 96 << 10, kMostTiles = 256;
  return std::clamp(kBlockFloats / (kPoints * (whole(s.in_c) + whole(s.out_c))), kLeastTiles, kMostTiles);
}

// The tiles of all images' outputs, 4x4 or 2x2, counted row by row.
class Tiles {
 public:
  explicit Tiles(const ConvShape& shape)
      : shape_(shape),
        size_(outputs_of(shape.kernel_h)),
        rows_(ceil_div(shape.out_h, size_)),
        columns_(ceil_div(shape.out_w, size_)) {}
  int64_t in_image() const { return rows_ * columns_; }
  int64_t count() const { return shape_.batch * in_image(); }

  // A tile's image, and its first row and column of outputs.
  struct Place {
    int64_t image, row, column;
  };
  Place place(int64_t tile) const {
    return {tile / in_image(), tile / columns_ % rows_ * size_, tile % columns_ * size_};
  }

  Square<const float> patch(const float* x, int64_t tile) const {
    return square<const float>(x, tile, shape_.pad_h, shape_.pad_w, kPatch, shape_.in_h, shape_.in_w,
                               shape_.in_c);
  }
  template <typename Float>
  Square<Float> outputs(Float* y, int64_t tile) const {
    return square<Float>(y, tile, 0, 0, size_, shape_.out_h, shape_.out_w, shape_.out_c);
  }

 private:
  template <typename Float>
  Square<Float> square(Float* image, int64_t tile, int64_t pad_h, int64_t pad_w, int64_t size, int64_t height,
                       int64_t width, int64_t channels) const {
    const Place at_tile = place(tile);
    const int64_t row = at_tile.row - pad_h, column = at_tile.column - pad_w;
    const auto clip = [size](int64_t at, int64_t extent) {
      return static_cast<int>(std::clamp<int64_t>(extent - at, 0, size));
    };
    return {image + ((at_tile.image * height + row) * width + column) * channels,
            width * channels,
            channels,
            static_cast<int>(std::clamp<int64_t>(-row, 0, size)),
            clip(row, height),
            static_cast<int>(std::clamp<int64_t>(-column, 0, size)),
            clip(column, width),
            image + shape_.batch * height * width * channels};
  }

  const ConvShape& shape_;
  int64_t size_, rows_, columns_;
};

}  // namespace espalier::cpu::winograd
