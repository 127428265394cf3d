#pragma once

#include <cstdint>

#include "core/cpu/epilogue.h"

// The transforms of Winograd's minimal filtering with six points (0, 1, -1, 2, -2, ∞), nested over height and
// width (Lavin & Gray, CVPR 2016). F(4x4, 3x3) computes 4x4 outputs of a 3x3 convolution from a 6x6 patch
// with 36 products instead of 144, F(2x2, 5x5) 2x2 outputs of a 5x5 convolution with 36 instead of 100;
// F(3x3, 4x4) and F(5x5, 2x2) the gradient of the filter from a 6x6 patch of the input and 4x4 or 2x2 output
// gradients. A transformed tile is 36 rows of channels, `point_stride` floats apart; what lies behind the
// channels, to the end of the last vector, is read and written with them. `filter` is 3 or 5.
// Squares of up to half a vector of channels can have twins.
namespace espalier::cpu::winograd {

inline constexpr int kPatch = 6, kPoints = 36;
// Rows of outputs that a patch gives.
constexpr int outputs_of(int64_t filter) {
  return kPatch + 1 - static_cast<int>(filter);
}

// A square of pixels in an image: `data` is its corner's first channel, and may lie outside; only rows
// [row_begin, row_end) and columns [column_begin, column_end) of the square are in the image.
template <typename Float>
struct Square {
  Float* data;
  int64_t row_stride, column_stride;  // floats
  int64_t row_begin, row_end, column_begin, column_end;
  Float* end;  // of all images: up to there the last vector of a pixel may reach into the next pixels
  // Where not 0, so far behind lies the same square of another image: both are transformed in the same
  // vectors, and the other's points stand half a vector behind this one's.
  int64_t twin = 0;
};

// Bᵀ d B of a 6x6 patch, with zeros outside of the image.
void transform_input(const Square<const float>& patch, int64_t channels, float* points, int64_t point_stride);
// G d Gᵀ of output gradients, as the filter of the filter's gradient.
void transform_gradient(int64_t filter, const Square<const float>& gradients, int64_t channels, float* points,
                        int64_t point_stride);
// For the input's gradient the transposes of forward's transforms: A d Aᵀ of output gradients, and B m Bᵀ
// added to a 6x6 patch of whole vectors of channels.
void spread_gradient(int64_t filter, const Square<const float>& gradients, int64_t channels, float* points,
                     int64_t point_stride);
void add_patch(const float* points, int64_t point_stride, int64_t channels, float* to, int64_t row_stride,
               int64_t column_stride);
// Aᵀ m A into the outputs that are in the image, and the epilogue. REQUIRES: y is not its residual.
void transform_output(int64_t filter, const float* points, int64_t point_stride, int64_t channels,
                      const Square<float>& y, const EpilogueView& epilogue);
// G g Gᵀ of `count` filters side by side, tap t of filter j at taps[t * tap_stride + j], or `turned`, by half
// a circle.
void transform_filter(int64_t filter, const float* taps, int64_t tap_stride, bool turned, int64_t count,
                      float* points, int64_t point_stride);
// Aᵀ m A into the gradients of `count` filters side by side.
void transform_filter_gradient(int64_t filter, const float* points, int64_t point_stride, int64_t count,
                               float* taps, int64_t tap_stride);

}  // namespace espalier::cpu::winograd
