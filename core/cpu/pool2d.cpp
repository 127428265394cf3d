#include <algorithm>
#include <cmath>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"

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

// Raises `best` to the larger of itself and x, NaN being the largest, and notes where it came from.
ESPALIER_VECTORISED void take_larger(const float* x, int32_t pixel, int64_t count, float* best,
                                     int32_t* winner) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    const bool larger = (x[c] > best[c]) | ((x[c] != x[c]) & (best[c] == best[c]));
    best[c] = larger ? x[c] : best[c];
    winner[c] = larger ? pixel : winner[c];
  }
}

ESPALIER_VECTORISED void add_scaled(const float* x, float factor, int64_t count, float* y) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) y[c] += factor * x[c];
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
  const auto pool_pixel = [&](const float* image, const Span& rows, const Span& columns, float* best,
                              int32_t* winner) {
    std::fill(best, best + channels, 0.0f);
    if (winner != nullptr) std::fill(winner, winner + channels, -1);
    const auto divisor = static_cast<float>(rows.length * columns.length);
    for (int64_t h = rows.begin; h < rows.end; ++h)
      for (int64_t w = columns.begin; w < columns.end; ++w) {
        const int64_t pixel = h * in[2] + w;
        if (winner == nullptr) {
          add_scaled(image + pixel * channels, 1.0f / divisor, channels, best);
        } else if (h == rows.begin && w == columns.begin) {
          std::copy_n(image + pixel * channels, channels, best);
          std::fill(winner, winner + channels, static_cast<int32_t>(pixel));
        } else {
          take_larger(image + pixel * channels, static_cast<int32_t>(pixel), channels, best, winner);
        }
      }
  };
  for_each_chunk(out[0] * out[1], chunk_of(row_size), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* image = from + row / out[1] * in[1] * in[2] * channels;
      const Span rows(row % out[1], in[1], 0, options);
      for (int64_t q = 0; q < out[2]; ++q) {
        const int64_t offset = row * row_size + q * channels;
        pool_pixel(image, rows, Span(q, in[2], 1, options), to + offset,
                   winners ? winners + offset : nullptr);
      }
    }
  });
}

void CpuBackend::pool2d_backward(PoolOp op, const Tensor& dy, const Tensor& indices, Tensor& dx,
                                 const Pool2dOptions& options) {
  const Shape in = dx.shape(), out = dy.shape();
  const int64_t channels = in[3], in_size = in[1] * in[2] * channels, out_size = out[1] * out[2] * channels;
  const float* from = dy.data<float>();
  float* to = dx.data<float>();
  const int32_t* winners = op == PoolOp::max ? indices.data<int32_t>() : nullptr;
  // Windows may overlap, so that an image is one thread's.
  for_each_chunk(in[0], chunk_of(in_size), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float* image = to + n * in_size;
      const float* gradient = from + n * out_size;
      std::fill(image, image + in_size, 0.0f);
      if (winners != nullptr) {
        const int32_t* winner = winners + n * out_size;
        for (int64_t pixel = 0; pixel < out_size; pixel += channels)
          for (int64_t c = 0; c < channels; ++c)
            if (winner[pixel + c] >= 0) image[winner[pixel + c] * channels + c] += gradient[pixel + c];
        continue;
      }
      for (int64_t p = 0; p < out[1]; ++p)
        for (int64_t q = 0; q < out[2]; ++q) {
          const Span rows(p, in[1], 0, options), columns(q, in[2], 1, options);
          const float factor = 1.0f / static_cast<float>(rows.length * columns.length);
          for (int64_t h = rows.begin; h < rows.end; ++h)
            for (int64_t w = columns.begin; w < columns.end; ++w)
              add_scaled(gradient + (p * out[2] + q) * channels, factor, channels,
                         image + (h * in[2] + w) * channels);
        }
    }
  });
}

}  // namespace espalier::cpu
