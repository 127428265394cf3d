#pragma once

#include <cstdint>

namespace espalier::cpu {

// A window over the pixels of an image that lie in it: rows [row_begin, row_end) and columns [column_begin,
// column_end), all channels.
struct PoolWindow {
  int64_t channels, image_width;
  int64_t row_begin, row_end, column_begin, column_end;
};

// For every channel the largest of the window's elements, NaN being larger than any, and the pixel of the
// image where it first stands; 0 and -1 if the window is empty.
void pool_max(const PoolWindow& window, const float* image, float* y, int32_t* winners);
// y = factor * the sum of the window's elements.
void pool_average(const PoolWindow& window, const float* image, float factor, float* y);

// The gradients: where `adds`, image += and otherwise image = dy at the window's winners and 0 at its other
// pixels, or factor * dy all over the window.
void spread_max(const PoolWindow& window, const float* dy, const int32_t* winners, bool adds, float* image);
void spread_average(const PoolWindow& window, const float* dy, float factor, bool adds, float* image);

}  // namespace espalier::cpu
