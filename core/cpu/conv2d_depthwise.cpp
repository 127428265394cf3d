#include <algorithm>

#include "core/cpu/columns.h"
#include "core/cpu/conv2d.h"
#include "core/cpu/depthwise_kernel.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

// y += x * w over the channels of `count` pixels, whose x lie x_step floats apart and y y_step.
ESPALIER_VECTORISED void add_products(const float* x, int64_t x_step, const float* w, float* y,
                                      int64_t y_step, int64_t count, int64_t channels) {
  for (int64_t i = 0; i < count; ++i, x += x_step, y += y_step) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) y[c] += x[c] * w[c];
  }
}

// The output columns whose tap `s` lies in the image.
struct Columns {
  Columns(const ConvShape& shape, int64_t tap) {
    const int64_t offset = tap * shape.dilation_w - shape.pad_w;
    begin = offset >= 0 ? 0 : std::min(shape.out_w, ceil_div(-offset, shape.stride_w));
    end = offset >= shape.in_w
              ? begin
              : std::max(begin, std::min(shape.out_w, (shape.in_w - 1 - offset) / shape.stride_w + 1));
    input = begin * shape.stride_w + offset;
  }
  int64_t begin, end, input;  // input: the image column of `begin`
};

// (channels, R, S) to (R, S, channels), turned by half a circle or not.
Workspace<float> taps_of(const ConvShape& s, const float* weight, bool turned) {
  const int64_t channels = s.in_c, window = s.kernel_h * s.kernel_w;
  Workspace<float> taps(s.weights());
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t tap = 0; tap < window; ++tap)
      taps.data()[(turned ? window - 1 - tap : tap) * channels + c] = weight[c * window + tap];
  return taps;
}

int64_t rows_per_chunk(const ConvShape& s) {
  return std::max<int64_t>(1, kChunk / std::max<int64_t>(1, s.out_w * s.out_c * s.kernel_h * s.kernel_w));
}

// What row `row` of all images' outputs sees, and the first row of taps that lies in the image.
struct RowOfWindows {
  RowOfWindows(const ConvShape& s, const float* x, int64_t row) {
    const int64_t top = row % s.out_h * s.stride_h - s.pad_h, line = s.in_w * s.in_c;
    const TapsInside rows(top, s.dilation_h, s.kernel_h, s.in_h);
    first_tap = rows.begin * s.kernel_w * s.in_c;
    windows = {.channels = s.in_c,
               .out_w = s.out_w,
               .in_w = s.in_w,
               .kernel_w = s.kernel_w,
               .stride = s.stride_w,
               .dilation = s.dilation_w,
               .pad = s.pad_w,
               .rows = rows.end - rows.begin,
               .x = x + (row / s.out_h * s.in_h + top + rows.begin * s.dilation_h) * line,
               .x_row = s.dilation_h * line};
  }
  DepthwiseWindows windows;
  int64_t first_tap;  // floats before it
};

// `taps` are (kernel_h, kernel_w, channels).
void convolve(const ConvShape& s, const float* x, const float* taps, float* y, const EpilogueView& epilogue,
              OutputMoments* moments = nullptr) {
  const int64_t row_size = s.out_w * s.in_c, rows = s.batch * s.out_h, lanes = ColumnLanes(s.out_c).width;
  if (moments != nullptr) moments->emplace(s.out_c, ceil_div(rows, rows_per_chunk(s)));
  ThreadBuffers buffers(PartMoments::floats(lanes));
  for_each_chunk(rows, rows_per_chunk(s), [&](int64_t index, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const RowOfWindows seen(s, x, row);
      depthwise_row(
          {seen.windows, taps + seen.first_tap, y + row * row_size, epilogue.from(0, row * row_size)});
    }
    if (moments == nullptr) return;
    PartMoments part(s.out_c, lanes, buffers.own());
    part.add(y + begin * row_size, (end - begin) * row_size);
    part.store(index, **moments);
  });
}

}  // namespace

void depthwise_forward(const ConvShape& s, const float* x, const float* weight, float* y,
                       const EpilogueView& epilogue, OutputMoments* moments) {
  convolve(s, x, taps_of(s, weight, false).data(), y, epilogue, moments);
}

void depthwise_backward_data(const ConvShape& s, const float* dy, const float* weight, float* dx,
                             const float* addend) {
  if (s.turns()) {
    convolve(s.turned(), dy, taps_of(s, weight, true).data(), dx, {.residual = addend});
    return;
  }
  const int64_t channels = s.in_c, row_size = s.in_w * channels;
  const Workspace<float> taps = taps_of(s, weight, false);
  const float* kernel = taps.data();
  for_each_chunk(s.batch * s.in_h, rows_per_chunk(s), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* to = dx + row * row_size;
      if (addend != nullptr)
        std::copy_n(addend + row * row_size, row_size, to);
      else
        std::fill_n(to, row_size, 0.0f);
      for (int64_t r = 0; r < s.kernel_h; ++r) {
        const int64_t shifted = row % s.in_h + s.pad_h - r * s.dilation_h, p = shifted / s.stride_h;
        if (shifted < 0 || shifted % s.stride_h != 0 || p >= s.out_h) continue;
        const float* line = dy + (row / s.in_h * s.out_h + p) * s.out_w * channels;
        for (int64_t t = 0; t < s.kernel_w; ++t) {
          const Columns columns(s, t);
          add_products(line + columns.begin * channels, channels, kernel + (r * s.kernel_w + t) * channels,
                       to + columns.input * channels, s.stride_w * channels, columns.end - columns.begin,
                       channels);
        }
      }
    }
  });
}

void depthwise_backward_weight(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  const int64_t channels = s.in_c, rows = s.batch * s.out_h, size = s.weights();
  const int64_t part = std::max(rows_per_chunk(s), ceil_div(rows, 16)), parts = ceil_div(rows, part);
  Workspace<float> partial(parts * size), total(size);
  float* sums = partial.data();
  for_each_chunk(
      rows, part,
      [&](int64_t index, int64_t begin, int64_t end) {
        float* own = sums + index * size;
        std::fill(own, own + size, 0.0f);
        for (int64_t row = begin; row < end; ++row) {
          const RowOfWindows seen(s, x, row);
          depthwise_correlate(seen.windows, dy + row * s.out_w * channels, own + seen.first_tap);
        }
      },
      1);
  sum_parts(sums, parts, size, total.data());
  const int64_t window = s.kernel_h * s.kernel_w;
  for (int64_t tap = 0; tap < window; ++tap)
    for (int64_t c = 0; c < channels; ++c) dweight[c * window + tap] = total.data()[tap * channels + c];
}

}  // namespace espalier::cpu
