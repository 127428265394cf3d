#include "core/cpu/depthwise_kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/depthwise_kernel.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

HWY_INLINE TapsInside taps_inside(const DepthwiseWindows& w, int64_t column) {
  return {column * w.stride - w.pad, w.dilation, w.kernel_w, w.in_w};
}

// The windows whose columns all lie in the image.
struct Interior {
  HWY_INLINE explicit Interior(const DepthwiseWindows& w)
      : begin(std::min(w.out_w, ceil_div(w.pad, w.stride))), end(begin) {
    const int64_t room = w.in_w - 1 + w.pad - (w.kernel_w - 1) * w.dilation;
    if (room >= 0) end = std::clamp(room / w.stride + 1, begin, w.out_w);
  }
  int64_t begin, end;
};

// A vector of channels from `channel` on of the outputs [column, column + kColumns), from the window's
// columns [begin, end), which lie in the image for each of them. kTaps: how many these are, or 0.
template <int kTaps, int kColumns, bool kPart>
HWY_INLINE void depthwise_channels(const DepthwiseRow& row, int64_t channel, int64_t lanes, int64_t column,
                                   int64_t begin, int64_t end) {
  const DepthwiseWindows& w = row.windows;
  Vector sums[kColumns];
  for (Vector& sum : sums) sum = hn::Zero(Floats());
  const int64_t step = w.stride * w.channels;
  for (int64_t r = 0; r < w.rows; ++r) {
    const float* taps = row.taps + (r * w.kernel_w + begin) * w.channels + channel;
    const float* x =
        w.x + r * w.x_row + (column * w.stride + begin * w.dilation - w.pad) * w.channels + channel;
    const int64_t count = kTaps > 0 ? kTaps : end - begin;
#pragma GCC unroll 3
    for (int64_t t = 0; t < count; ++t, taps += w.channels, x += w.dilation * w.channels) {
      const Vector tap = load<kPart>(taps, lanes);
      for (int i = 0; i < kColumns; ++i) sums[i] = hn::MulAdd(load<kPart>(x + i * step, lanes), tap, sums[i]);
    }
  }
  const ColumnEpilogue<kPart> epilogue(row.epilogue, channel, lanes);
  for (int i = 0; i < kColumns; ++i) {
    const int64_t place = (column + i) * w.channels + channel;
    store<kPart>(epilogue(sums[i], place), row.y + place, lanes);
  }
}

// All channels of these outputs: pixels are read as they lie, which the processor foresees.
template <int kTaps, int kColumns>
HWY_INLINE void depthwise_columns(const DepthwiseRow& row, int64_t column, int64_t begin, int64_t end) {
  const DepthwiseWindows& w = row.windows;
  const int64_t width = vector_width();
  if (w.channels < width) {
    depthwise_channels<kTaps, kColumns, true>(row, 0, w.channels, column, begin, end);
    return;
  }
  // The last vector overlaps the one before it where the channels are no multiple of its width.
  for (int64_t channel = 0; channel < w.channels; channel += width)
    depthwise_channels<kTaps, kColumns, false>(row, std::min(channel, w.channels - width), width, column,
                                               begin, end);
}

// One by one, the outputs [first, last), whose windows may leave the image.
HWY_INLINE void depthwise_border(const DepthwiseRow& row, int64_t first, int64_t last) {
  for (int64_t column = first; column < last; ++column) {
    const TapsInside taps = taps_inside(row.windows, column);
    depthwise_columns<0, 1>(row, column, taps.begin, taps.end);
  }
}

// The outputs [first, last), whose windows lie in the image.
template <int kTaps>
HWY_INLINE void depthwise_interior(const DepthwiseRow& row, int64_t first, int64_t last) {
  const int64_t taps = row.windows.kernel_w;
  for (; first + 4 <= last; first += 4) depthwise_columns<kTaps, 4>(row, first, 0, taps);
  switch (last - first) {
    case 3:
      return depthwise_columns<kTaps, 3>(row, first, 0, taps);
    case 2:
      return depthwise_columns<kTaps, 2>(row, first, 0, taps);
    case 1:
      return depthwise_columns<kTaps, 1>(row, first, 0, taps);
  }
}

void depthwise_row(const DepthwiseRow& row) {
  const Interior interior(row.windows);
  depthwise_border(row, 0, interior.begin);
  if (row.windows.kernel_w == 3)
    depthwise_interior<3>(row, interior.begin, interior.end);
  else
    depthwise_interior<0>(row, interior.begin, interior.end);
  depthwise_border(row, interior.end, row.windows.out_w);
}

// A vector of channels of kTaps neighbouring taps' sums, over `count` windows, where x is the first tap's
// element of the first of them. With kTwo each tap has two sums, or it would wait for its one.
template <int kTaps, bool kTwo, bool kPart>
HWY_INLINE void correlate_taps(const DepthwiseWindows& w, int64_t count, const float* x, const float* dy,
                               int64_t lanes, float* to) {
  const int64_t tap = w.dilation * w.channels, step = w.stride * w.channels;
  Vector even[kTaps], odd[kTaps];
  for (int t = 0; t < kTaps; ++t) {
    even[t] = load<kPart>(to + t * w.channels, lanes);
    odd[t] = hn::Zero(Floats());
  }
  const auto add_window = [&](Vector* sums) ESPALIER_INLINE_LAMBDA {
    const Vector gradient = load<kPart>(dy, lanes);
    for (int t = 0; t < kTaps; ++t) sums[t] = hn::MulAdd(load<kPart>(x + t * tap, lanes), gradient, sums[t]);
    x += step;
    dy += w.channels;
  };
  for (int64_t q = 0; q < count; ++q) {
    add_window(even);
    if (kTwo && ++q < count) add_window(odd);
  }
  for (int t = 0; t < kTaps; ++t)
    store<kPart>(kTwo ? hn::Add(even[t], odd[t]) : even[t], to + t * w.channels, lanes);
}

// A vector of channels of all sums of the window's row `row`.
template <bool kPart>
HWY_INLINE void correlate_channels(const DepthwiseWindows& w, const Interior& interior, const float* row,
                                   const float* dy, int64_t lanes, float* sums) {
  const auto element = [&](int64_t q, int64_t t) {
    return row + (q * w.stride + t * w.dilation - w.pad) * w.channels;
  };
  const auto border = [&](int64_t first, int64_t last) ESPALIER_INLINE_LAMBDA {
    for (int64_t q = first; q < last; ++q) {
      const TapsInside taps = taps_inside(w, q);
      for (int64_t t = taps.begin; t < taps.end; ++t)
        correlate_taps<1, false, kPart>(w, 1, element(q, t), dy + q * w.channels, lanes,
                                        sums + t * w.channels);
    }
  };
  border(0, interior.begin);
  const int64_t count = interior.end - interior.begin;
  const float* inside = dy + interior.begin * w.channels;
  int64_t t = 0;
  for (; t + 3 <= w.kernel_w; t += 3)
    correlate_taps<3, true, kPart>(w, count, element(interior.begin, t), inside, lanes,
                                   sums + t * w.channels);
  for (; t < w.kernel_w; ++t)
    correlate_taps<1, true, kPart>(w, count, element(interior.begin, t), inside, lanes,
                                   sums + t * w.channels);
  border(interior.end, w.out_w);
}

void depthwise_correlate(const DepthwiseWindows& w, const float* dy, float* sums) {
  const int64_t width = vector_width(), whole = w.channels / width * width;
  const Interior interior(w);
  for (int64_t r = 0; r < w.rows; ++r) {
    const float* row = w.x + r * w.x_row;
    float* to = sums + r * w.kernel_w * w.channels;
    for (int64_t c = 0; c < whole; c += width)
      correlate_channels<false>(w, interior, row + c, dy + c, width, to + c);
    if (whole < w.channels)
      correlate_channels<true>(w, interior, row + whole, dy + whole, w.channels - whole, to + whole);
  }
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(depthwise_row);
HWY_EXPORT(depthwise_correlate);

void depthwise_row(const DepthwiseRow& row) {
  HWY_DYNAMIC_DISPATCH(depthwise_row)(row);
}
void depthwise_correlate(const DepthwiseWindows& windows, const float* dy, float* sums) {
  HWY_DYNAMIC_DISPATCH(depthwise_correlate)(windows, dy, sums);
}

}  // namespace espalier::cpu
#endif
