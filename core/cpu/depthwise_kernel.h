#pragma once

#include <algorithm>
#include <cstdint>

#include "core/cpu/epilogue.h"
#include "core/cpu/parallel.h"

namespace espalier::cpu {

// Which of a window's `taps`, whose first is at pixel `first` and the others `dilation` apart, lie in [0,
// extent).
struct TapsInside {
  TapsInside(int64_t first, int64_t dilation, int64_t taps, int64_t extent)
      : begin(first < 0 ? std::min(taps, ceil_div(-first, dilation)) : 0),
        end(first >= extent ? begin : std::clamp((extent - 1 - first) / dilation + 1, begin, taps)) {}
  int64_t begin, end;
};

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
