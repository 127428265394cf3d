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

inline int64_t half_vector() {
  return panel_width() / 4;
}

// Floats from a point of `tiles` transformed tiles to the next.
inline int64_t stride_of(int64_t tiles, int64_t row) {
  return ceil_div(tiles * row, kSkew) * kSkew + kSkew;
}

// Fewer rows than these keep products from their speed.
inline constexpr int64_t kLeastTiles = 28;

// Whether tiles are transformed one by one, or those of narrow channels two at a time.
enum class Transforms { single, twins };

// The tiles of all images' outputs, 4x4 or 2x2, counted row by row. Where twins share vectors they are those
// at one place of two images, which are counted in turn.
class Tiles {
 public:
  explicit Tiles(const ConvShape& shape, Transforms transforms = Transforms::single)
      : shape_(shape),
        narrow_(transforms == Transforms::twins && shape.batch % 2 == 0 ? half_vector() : 0),
        paired_(shape.in_c <= narrow_ || shape.out_c <= narrow_),
        size_(outputs_of(shape.kernel_h)),
        rows_(ceil_div(shape.out_h, size_)),
        columns_(ceil_div(shape.out_w, size_)) {}
  int64_t size() const { return size_; }  // of a tile's outputs, in each direction
  int64_t in_image() const { return rows_ * columns_; }
  int64_t count() const { return shape_.batch * in_image(); }

  // How many tiles of so many channels are transformed at a time.
  int64_t at_once(int64_t channels) const { return channels <= narrow_ ? 2 : 1; }
  // Floats of a transformed tile at a point.
  int64_t row(int64_t channels) const { return at_once(channels) == 2 ? half_vector() : whole(channels); }
  // So many tiles or one more, so that no twins are parted.
  int64_t unparted(int64_t tiles) const { return paired_ ? tiles + tiles % 2 : tiles; }
  // Transformed tiles, of an input's and an output's channels, that a thread works on at a time: they stay in
  // L2, as long as that leaves enough rows for products to reach their speed.
  int64_t fitting() const {
    constexpr int64_t kBlockFloats = 96 << 10, kMostTiles = 256;
    return std::clamp(kBlockFloats / (kPoints * (row(shape_.in_c) + row(shape_.out_c))), kLeastTiles,
                      kMostTiles);
  }

  // A tile's image, and its first row and column of outputs.
  struct Place {
    int64_t image, row, column;
  };
  Place place(int64_t tile) const {
    const int64_t twin = paired_ ? tile % 2 : 0, at = paired_ ? tile / 2 : tile;
    const int64_t image = at / in_image();
    return {paired_ ? 2 * image + twin : image, at / columns_ % rows_ * size_, at % columns_ * size_};
  }
  // body(tile - begin, place) for each time that tiles from `begin` to `end` of so many channels are
  // transformed; of twins for the first.
  template <typename Body>
  void for_each(int64_t begin, int64_t end, int64_t channels, Body body) const {
    const int64_t at_once = this->at_once(channels);
    Place at = place(begin);
    for (int64_t tile = begin; tile < end; tile += at_once) {
      body(tile - begin, at);
      if (paired_ && at_once == 1 && at.image % 2 == 0) {
        ++at.image;
        continue;
      }
      if (paired_) at.image -= at.image % 2;
      if ((at.column += size_) < columns_ * size_) continue;
      at.column = 0;
      if ((at.row += size_) < rows_ * size_) continue;
      at.row = 0;
      at.image += paired_ ? 2 : 1;
    }
  }

  Square<const float> patch(const float* x, const Place& at) const {
    return square<const float>(x, at, shape_.pad_h, shape_.pad_w, kPatch, shape_.in_h, shape_.in_w,
                               shape_.in_c);
  }
  template <typename Float>
  Square<Float> outputs(Float* y, const Place& at) const {
    return square<Float>(y, at, 0, 0, size_, shape_.out_h, shape_.out_w, shape_.out_c);
  }

 private:
  template <typename Float>
  Square<Float> square(Float* image, const Place& at, int64_t pad_h, int64_t pad_w, int64_t size,
                       int64_t height, int64_t width, int64_t channels) const {
    const int64_t row = at.row - pad_h, column = at.column - pad_w;
    const auto clip = [size](int64_t from, int64_t extent) {
      return std::clamp<int64_t>(extent - from, 0, size);
    };
    return {image + ((at.image * height + row) * width + column) * channels,
            width * channels,
            channels,
            std::clamp<int64_t>(-row, 0, size),
            clip(row, height),
            std::clamp<int64_t>(-column, 0, size),
            clip(column, width),
            image + shape_.batch * height * width * channels,
            at_once(channels) == 2 ? height * width * channels : 0};
  }

  const ConvShape& shape_;
  int64_t narrow_;  // channels of which two tiles share a vector
  bool paired_;
  int64_t size_, rows_, columns_;
};

}  // namespace espalier::cpu::winograd
