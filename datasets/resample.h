#pragma once

#include <cstdint>
#include <span>

#include "core/shape.h"

namespace espalier::datasets {

// How one axis of an image is resized: its pixels [begin, begin + length) become `resized` pixels, of which
// [first, first + count) are kept.
struct ResizedAxis {
  int64_t begin, length, resized, first, count;
  bool operator==(const ResizedAxis&) const = default;
};

// What is seen of an image: a part of it, resized and cut.
struct View {
  ResizedAxis rows, columns;
  bool operator==(const View&) const = default;
};

// The middle (height, width) of the whole of an image resized so that its shorter side is `shorter`, the
// longer one rounded down, as torchvision's Resize(shorter) and CenterCrop do.
View centre_view(const Shape& image, int64_t shorter, int64_t height, int64_t width);

// Writes a view of an image of shape (H, W, C) in HWC order. Bilinear with antialiasing, as PIL and
// torchvision: a kept pixel is the mean of the part's pixels weighted by a triangle around its centre, which
// reaches one pixel to each side and, where the image shrinks, as many times more. The weights sum to one
// within the part; pixels outside of it never count, and nothing is rounded (PIL rounds each axis to bytes).
// Only what the kept pixels need is read.
// REQUIRES: the part lies within the image, lengths > 0, [first, first + count) within [0, resized),
// target.size() == rows.count * columns.count * C.
void resample(std::span<const uint8_t> image, const Shape& shape, const View& view, std::span<float> target);
void resample(std::span<const float> image, const Shape& shape, const View& view, std::span<float> target);

}  // namespace espalier::datasets
