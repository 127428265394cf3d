#include <algorithm>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"
#include "core/cpu/pool2d_kernel.h"

namespace espalier::cpu {
namespace {

// The part of a window at `position` that lies within [0, extent), and its length with padding where that
// counts.
struct Span {
  Span(int64_t position, int64_t extent, size_t axis, const Pool2dOptions& options) {
    const int64_t first = position * options.stride[axis] - options.padding[axis];
    const int64_t last = std::min<int64_t>(first + options.kernel[axis], extent + options.padding[axis]);
    begin = std::max<int64_t>(first, 0);
    end = std::min(last, extent);
    length = options.count_include_pad ? last - first : end - begin;
  }
  int64_t begin, end, length;
};

// The window of these rows and columns of images (batch, height, width, channels).
PoolWindow window_of(const Span& rows, const Span& columns, const Shape& in) {
  return {in[3], in[2], rows.begin, rows.end, columns.begin, columns.end};
}

// The weight of one of its elements in their mean; 0 if it has none.
float share_of(const Span& rows, const Span& columns) {
  const int64_t elements = rows.length * columns.length;
  return elements > 0 ? 1.0f / static_cast<float>(elements) : 0.0f;
}

// Whether the windows along an axis do not meet, and whether they reach every pixel.
bool are_apart(size_t axis, const Pool2dOptions& options) {
  return options.kernel[axis] <= options.stride[axis];
}
bool cover(int64_t windows, int64_t extent, size_t axis, const Pool2dOptions& options) {
  return options.kernel[axis] >= options.stride[axis] &&
         (windows - 1) * options.stride[axis] - options.padding[axis] + options.kernel[axis] >= extent;
}

// Rows of output (or images) that make a chunk worth a thread's while.
int64_t chunk_of(int64_t elements_each) {
  return std::max<int64_t>(1, kChunk / std::max<int64_t>(elements_each, 1));
}

}  // namespace

void CpuBackend::pool2d(PoolOp op, const Tensor& x, Tensor& y, Tensor& indices,
                        const Pool2dOptions& options) {
  const Shape in = x.shape(), out = y.shape();
  const int64_t channels = in[3], row_size = out[2] * channels;
  const float* from = x.data<float>();
  float* to = y.data<float>();
  int32_t* winners = op == PoolOp::max ? indices.data<int32_t>() : nullptr;
  for_each_chunk(out[0] * out[1], chunk_of(row_size), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* image = from + row / out[1] * in[1] * in[2] * channels;
      const Span rows(row % out[1], in[1], 0, options);
      for (int64_t q = 0; q < out[2]; ++q) {
        const Span columns(q, in[2], 1, options);
        const int64_t offset = row * row_size + q * channels;
        if (winners != nullptr)
          pool_max(window_of(rows, columns, in), image, to + offset, winners + offset);
        else
          pool_average(window_of(rows, columns, in), image, share_of(rows, columns), to + offset);
      }
    }
  });
}

void CpuBackend::pool2d_backward(PoolOp op, const Tensor& dy, const Tensor& indices, Tensor& dx,
                                 const Pool2dOptions& options) {
  const Shape in = dx.shape(), out = dy.shape();
  const int64_t channels = in[3], in_size = in[1] * in[2] * channels, row_size = out[2] * channels;
  const float* from = dy.data<float>();
  float* to = dx.data<float>();
  const int32_t* winners = op == PoolOp::max ? indices.data<int32_t>() : nullptr;
  const bool adds = !are_apart(0, options) || !are_apart(1, options);
  const bool clears = adds || !cover(out[1], in[1], 0, options) || !cover(out[2], in[2], 1, options);
  // Windows may overlap, so that an image is one thread's.
  for_each_chunk(in[0], chunk_of(in_size), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float* image = to + n * in_size;
      if (clears) std::fill(image, image + in_size, 0.0f);
      for (int64_t p = 0; p < out[1]; ++p) {
        const Span rows(p, in[1], 0, options);
        for (int64_t q = 0; q < out[2]; ++q) {
          const Span columns(q, in[2], 1, options);
          const int64_t offset = (n * out[1] + p) * row_size + q * channels;
          if (winners != nullptr)
            spread_max(window_of(rows, columns, in), from + offset, winners + offset, adds, image);
          else
            spread_average(window_of(rows, columns, in), from + offset, share_of(rows, columns), adds, image);
        }
      }
    }
  });
}

}  // namespace espalier::cpu
