#include "core/cpu/depthwise_kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/depthwise_kernel.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

// A vector of channels from `channel` on of the outputs [column, column + kColumns), from the window's
// columns [begin, end), which lie in the image for each of them. kTaps: how many these are, or 0.
template <int kTaps, int kColumns, bool kPart>
HWY_INLINE void depthwise_channels(const DepthwiseRow& row, int64_t channel, int64_t lanes, int64_t column,
                                   int64_t begin, int64_t end) {
  Vector sums[kColumns];
  for (Vector& sum : sums) sum = hn::Zero(Floats());
  const int64_t step = row.stride * row.channels;
  for (int64_t r = 0; r < row.rows; ++r) {
    const float* taps = row.taps + (r * row.kernel_w + begin) * row.channels + channel;
    const float* x = row.x + r * row.x_row +
                     (column * row.stride + begin * row.dilation - row.pad) * row.channels + channel;
    const int64_t count = kTaps > 0 ? kTaps : end - begin;
#pragma GCC unroll 3
    for (int64_t t = 0; t < count; ++t, taps += row.channels, x += row.dilation * row.channels) {
      const Vector tap = load<kPart>(taps, lanes);
      for (int i = 0; i < kColumns; ++i) sums[i] = hn::MulAdd(load<kPart>(x + i * step, lanes), tap, sums[i]);
    }
  }
  const ColumnEpilogue<kPart> epilogue(row.epilogue, channel, lanes);
  for (int i = 0; i < kColumns; ++i) {
    const int64_t place = (column + i) * row.channels + channel;
    store<kPart>(epilogue(sums[i], place), row.y + place, lanes);
  }
}

// All channels of these outputs: pixels are read as they lie, which the processor foresees.
template <int kTaps, int kColumns>
HWY_INLINE void depthwise_columns(const DepthwiseRow& row, int64_t column, int64_t begin, int64_t end) {
  const int64_t width = vector_width();
  if (row.channels < width) {
    depthwise_channels<kTaps, kColumns, true>(row, 0, row.channels, column, begin, end);
    return;
  }
  // The last vector overlaps the one before it where the channels are no multiple of its width.
  for (int64_t channel = 0; channel < row.channels; channel += width)
    depthwise_channels<kTaps, kColumns, false>(row, std::min(channel, row.channels - width), width, column,
                                               begin, end);
}

// One by one, the outputs [first, last), whose windows may leave the image.
HWY_INLINE void depthwise_border(const DepthwiseRow& row, int64_t first, int64_t last) {
  for (int64_t column = first; column < last; ++column) {
    const TapsInside taps(column * row.stride - row.pad, row.dilation, row.kernel_w, row.in_w);
    depthwise_columns<0, 1>(row, column, taps.begin, taps.end);
  }
}

// The outputs [first, last), whose windows lie in the image.
template <int kTaps>
HWY_INLINE void depthwise_interior(const DepthwiseRow& row, int64_t first, int64_t last) {
  for (; first + 4 <= last; first += 4) depthwise_columns<kTaps, 4>(row, first, 0, row.kernel_w);
  switch (last - first) {
    case 3:
      return depthwise_columns<kTaps, 3>(row, first, 0, row.kernel_w);
    case 2:
      return depthwise_columns<kTaps, 2>(row, first, 0, row.kernel_w);
    case 1:
      return depthwise_columns<kTaps, 1>(row, first, 0, row.kernel_w);
  }
}

void depthwise_row(const DepthwiseRow& row) {
  const int64_t left = std::min(row.out_w, ceil_div(row.pad, row.stride));
  const int64_t room = row.in_w - 1 + row.pad - (row.kernel_w - 1) * row.dilation;
  const int64_t right = room < 0 ? left : std::clamp(room / row.stride + 1, left, row.out_w);
  depthwise_border(row, 0, left);
  if (row.kernel_w == 3)
    depthwise_interior<3>(row, left, right);
  else
    depthwise_interior<0>(row, left, right);
  depthwise_border(row, right, row.out_w);
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(depthwise_row);

void depthwise_row(const DepthwiseRow& row) {
  HWY_DYNAMIC_DISPATCH(depthwise_row)(row);
}

}  // namespace espalier::cpu
#endif
