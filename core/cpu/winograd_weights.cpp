#include "core/cpu/winograd_weights.h"

#include <algorithm>

#include "core/cpu/gemm_kernel.h"
#include "core/cpu/parallel.h"
#include "core/cpu/winograd_tiles.h"

namespace espalier::cpu::winograd {

void transform_weights(const Weights& weights, int64_t panel, int64_t begin, int64_t end, float* points,
                       int64_t point_stride, int64_t row) {
  const int64_t size = weights.filter * weights.filter, width = panel_width(), depth = end - begin;
  const int64_t in_c = weights.in_c, out_c = weights.out_c;
  const int64_t count = std::min(width, out_c - panel * width);
  if (weights.use != WeightUse::forward) {
    for (int64_t i = 0; i < depth; ++i)
      transform_filter(weights.filter, weights.data + (begin + i) * size * out_c + panel * width, out_c,
                       weights.use == WeightUse::turned, count, points + i * row, point_stride);
    return;
  }
  Workspace<float> taps(size * depth * width);
  for (int64_t tap = 0; tap < size; ++tap)
    pack_panel(weights.data + (panel * width * size + tap) * in_c + begin, size * in_c, true, depth, count,
               taps.data() + tap * depth * width);
  for (int64_t i = 0; i < depth; ++i)
    transform_filter(weights.filter, taps.data() + i * width, depth * width, false, count, points + i * row,
                     point_stride);
}

namespace {

// Rows of a narrow panel, `row` floats apart, as multiply_narrow reads them, in place.
void pair_rows(float* panel, int64_t rows, int64_t row) {
  const int64_t half = half_vector();
  for (int64_t k = 0; k < rows; k += 2) {
    const float* first = panel + k * row;
    float* to = panel + k * half;
    // Backwards, since the first pair is written over one of its rows.
    for (int64_t j = half - 1; j >= 0; --j) {
      to[2 * j] = first[j];
      to[2 * j + 1] = k + 1 < rows ? first[row + j] : 0.0f;
    }
  }
}

}  // namespace

TransformedWeights::TransformedWeights(const Weights& weights)
    : in_c_(weights.in_c),
      panels_(ceil_div(weights.out_c, panel_width())),
      row_(std::min(whole(weights.out_c), panel_width())),
      panel_(in_c_ * row_),
      narrow_(weights.out_c - (panels_ - 1) * panel_width() <= half_vector()),
      columns_(narrow_ ? (panels_ - 1) * panel_width() : whole(weights.out_c)),
      point_(panels_ * panel_ + kSkew),
      floats_(kPoints * point_) {
  for_each_chunk(panels_, 1, [&, to = floats_.data()](int64_t panel, int64_t, int64_t) {
    transform_weights(weights, panel, 0, in_c_, to + panel * panel_, point_, row_);
  });
  for (int64_t point = 0; narrow_ && point < kPoints; ++point)
    pair_rows(floats_.data() + point * point_ + (panels_ - 1) * panel_, in_c_, row_);
}

void TransformedWeights::multiply(int64_t tiles, const TransformedTiles& in,
                                  const TransformedTiles& out) const {
  GemmBlock block{.m = tiles,
                  .n = columns_,
                  .k = in_c_,
                  .a = in.data,
                  .a_row = in.row,
                  .b = floats_.data(),
                  .b_row = row_,
                  .b_panel = panel_,
                  .c = out.data,
                  .c_row = out.row};
  GemmBlock last = block;
  last.b += (panels_ - 1) * panel_;
  last.b_row = panel_width() / 2;
  last.c += columns_;
  if (tiles <= kBatchRows) {  // stay in L1 from point to point
    const GemmBatch points{kPoints, in.point, point_, out.point};
    multiply_batch(block, points);
    if (narrow_) multiply_narrow_batch(last, points);
    return;
  }
  for (int64_t point = 0; point < kPoints; ++point) {
    cpu::multiply(block);
    if (narrow_) multiply_narrow(last);
    for (GemmBlock* product : {&block, &last}) {
      product->a += in.point;
      product->b += point_;
      product->c += out.point;
    }
  }
}

}  // namespace espalier::cpu::winograd
