#pragma once

#include <cstdint>

#include "core/cpu/conv2d.h"
#include "core/cpu/workspace.h"

// The weights of Winograd's convolution, transformed, which tiles are multiplied with.
namespace espalier::cpu::winograd {

// What products of tiles and weights give: outputs, or input gradients as a turned convolution or scattered.
enum class WeightUse { forward, turned, scattered };

// The weights of products from in_c channels to out_c: forward (out_c, filter, filter, in_c), else the (in_c,
// filter, filter, out_c) of the convolution whose gradient they give; by half a circle only a turned one's.
struct Weights {
  const float* data;
  int64_t filter, in_c, out_c;
  WeightUse use;
};

// Of a convolution, or where `turned` of the one that `shape` is turned from.
inline Weights weights_of(const ConvShape& shape, const Tensor& weight, bool turned) {
  return {weight.data<float>(), shape.kernel_h, shape.in_c, shape.out_c,
          turned ? WeightUse::turned : WeightUse::forward};
}

// Transforms a panel of output channels, of the input channels [begin, end): for each point, point_stride
// floats apart, a packed matrix of end - begin rows, `row` floats apart.
void transform_weights(const Weights& weights, int64_t panel, int64_t begin, int64_t end, float* points,
                       int64_t point_stride, int64_t row);

// Transformed tiles: a row of channels for each, `row` floats apart, at each point.
struct TransformedTiles {
  float* data;
  int64_t row, point;
};

// All of a convolution's weights, transformed: for each point a packed in_c by out_c matrix, whose last panel
// has two rows in a vector where it is narrow, of half a vector or less.
class TransformedWeights {
 public:
  explicit TransformedWeights(const Weights& weights);
  // At each point, rows of out_c sums from `tiles` rows of in_c channels. Whole vectors are written, or
  // halves. Where they fit a panel, `out` may lie over `in`, no row of it over a later one.
  void multiply(int64_t tiles, const TransformedTiles& in, const TransformedTiles& out) const;

 private:
  int64_t in_c_, panels_, row_, panel_;
  bool narrow_;      // the last panel
  int64_t columns_;  // in whole vectors: all, or those before the narrow panel
  int64_t point_;
  Workspace<float> floats_;
};

}  // namespace espalier::cpu::winograd
