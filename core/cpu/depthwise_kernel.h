#pragma once

#include <cstdint>

#include "core/cpu/epilogue.h"

namespace espalier::cpu {

// A row of outputs of a depthwise convolution: y[q][c] is the sum over the window's rows r and columns t of
// x[r][q stride + t dilation - pad][c] taps[r][t][c], with zeros outside of the image, and the epilogue.
struct DepthwiseRow {
  int64_t channels;
  int64_t out_w, in_w, kernel_w, stride, dilation, pad;  // pixels
  int64_t rows;                                          // of the window that lie in the image
  const float* x;                                        // the image's row under the first of them
  int64_t x_row;                                         // floats from there to the next one's
  const float* taps;                                     // (rows, kernel_w, channels)
  float* y;
  EpilogueView epilogue;  // of y's first element
};

void depthwise_row(const DepthwiseRow& row);

}  // namespace espalier::cpu
