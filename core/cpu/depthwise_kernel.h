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

// What a row of outputs of a depthwise convolution sees: window q's element (r, t) is x[r][q stride + t
// dilation - pad], or outside of the image.
struct DepthwiseWindows {
  int64_t channels;
  int64_t out_w, in_w, kernel_w, stride, dilation, pad;  // pixels
  int64_t rows;                                          // of the window that lie in the image
  const float* x;                                        // the image's row under the first of them
  int64_t x_row;                                         // floats from there to the next one's
};

// y[q][c] is the sum over the window's rows r and columns t of its elements times taps[r][t][c], with zeros
// outside of the image, and the epilogue.
struct DepthwiseRow {
  DepthwiseWindows windows;
  const float* taps;  // (rows, kernel_w, channels)
  float* y;
  EpilogueView epilogue;  // of y's first element
};
void depthwise_row(const DepthwiseRow& row);

// sums[r][t][c] += the sum over windows q of their elements times dy[q][c]: a row's share of the taps'
// gradient.
void depthwise_correlate(const DepthwiseWindows& windows, const float* dy, float* sums);

}  // namespace espalier::cpu
