#include "cuda/kernels/pool2d.h"

#include "cuda/kernels/for_each.h"

namespace espalier::cuda::kernels {
namespace {

// One axis of the geometry.
struct Axis {
  int in, out, kernel, stride, padding;
  bool include_pad;

  __device__ int first(int position) const { return position * stride - padding; }
  __device__ int begin(int position) const { return max(first(position), 0); }
  __device__ int end(int position) const { return min(first(position) + kernel, in); }
  // What average pooling divides by.
  __device__ int length(int position) const {
    const int last = min(first(position) + kernel, in + padding);
    return include_pad ? last - first(position) : min(last, in) - begin(position);
  }
  // The windows [first_window, last_window] are those that hold `pixel`.
  __device__ int first_window(int pixel) const {
    const int past = pixel + padding - kernel;  // a window at or before it ends before the pixel
    return past < 0 ? 0 : past / stride + 1;
  }
  __device__ int last_window(int pixel) const { return min((pixel + padding) / stride, out - 1); }
};

struct Axes {
  explicit Axes(const PoolShape& shape)
      : h(of(shape, 0, shape.in_h, shape.out_h)), w(of(shape, 1, shape.in_w, shape.out_w)) {}
  static Axis of(const PoolShape& shape, size_t axis, int in, int out) {
    const Pool2dOptions& o = shape.options;
    return {in, out, o.kernel[axis], o.stride[axis], o.padding[axis], o.count_include_pad};
  }
  Axis h, w;
};

// The bodies' rows are output pixels, or input pixels in the backward, and their columns channels.

// Of numbers and NaN, which differs from itself, the first NaN wins.
struct MaxPool {
  Axes axes;
  int channels;
  const float* x;
  float* y;
  int32_t* indices;

  __device__ void operator()(int64_t pixel, int64_t c) const {
    const int row = static_cast<int>(pixel) / axes.w.out, q = static_cast<int>(pixel) - row * axes.w.out;
    const int n = row / axes.h.out, p = row - n * axes.h.out;
    const float* image = x + int64_t{n} * axes.h.in * axes.w.in * channels + c;
    float best = 0;
    int winner = -1;
    for (int h = axes.h.begin(p); h < axes.h.end(p); ++h)
      for (int w = axes.w.begin(q); w < axes.w.end(q); ++w) {
        const float value = image[(int64_t{h} * axes.w.in + w) * channels];
        if (winner < 0 || value > best || (value != value && best == best)) {
          best = value;
          winner = h * axes.w.in + w;
        }
      }
    y[pixel * channels + c] = best;
    indices[pixel * channels + c] = winner;
  }
};

struct AveragePool {
  Axes axes;
  int channels;
  const float* x;
  float* y;

  __device__ void operator()(int64_t pixel, int64_t c) const {
    const int row = static_cast<int>(pixel) / axes.w.out, q = static_cast<int>(pixel) - row * axes.w.out;
    const int n = row / axes.h.out, p = row - n * axes.h.out;
    const float* image = x + int64_t{n} * axes.h.in * axes.w.in * channels + c;
    float total = 0;
    for (int h = axes.h.begin(p); h < axes.h.end(p); ++h)
      for (int w = axes.w.begin(q); w < axes.w.end(q); ++w)
        total += image[(int64_t{h} * axes.w.in + w) * channels];
    const int divisor = axes.h.length(p) * axes.w.length(q);
    y[pixel * channels + c] = divisor > 0 ? total / static_cast<float>(divisor) : 0.0f;
  }
};

// An input pixel asks the windows that hold it what they give back, in their order: no atomics, and the same
// bits in every run.
template <PoolOp kOp>
struct PoolBackward {
  Axes axes;
  int channels;
  const float* dy;
  const int32_t* indices;
  float* dx;

  __device__ void operator()(int64_t pixel, int64_t c) const {
    const int row = static_cast<int>(pixel) / axes.w.in, w = static_cast<int>(pixel) - row * axes.w.in;
    const int n = row / axes.h.in, h = row - n * axes.h.in;
    const int64_t image = int64_t{n} * axes.h.out * axes.w.out;
    const int flat = h * axes.w.in + w;
    float total = 0;
    for (int p = axes.h.first_window(h); p <= axes.h.last_window(h); ++p)
      for (int q = axes.w.first_window(w); q <= axes.w.last_window(w); ++q) {
        const int64_t out = (image + int64_t{p} * axes.w.out + q) * channels + c;
        if constexpr (kOp == PoolOp::max)
          total += indices[out] == flat ? dy[out] : 0.0f;
        else
          total += dy[out] / static_cast<float>(axes.h.length(p) * axes.w.length(q));
      }
    dx[pixel * channels + c] = total;
  }
};

}  // namespace

cudaError_t pool2d(PoolOp op, const PoolShape& shape, const float* x, float* y, int32_t* indices,
                   cudaStream_t stream) {
  const int64_t pixels = int64_t{shape.batch} * shape.out_h * shape.out_w;
  const Axes axes(shape);
  if (op == PoolOp::max)
    return for_each_in_columns(pixels, shape.channels, stream, MaxPool{axes, shape.channels, x, y, indices});
  return for_each_in_columns(pixels, shape.channels, stream, AveragePool{axes, shape.channels, x, y});
}

cudaError_t pool2d_backward(PoolOp op, const PoolShape& shape, const float* dy, const int32_t* indices,
                            float* dx, cudaStream_t stream) {
  const int64_t pixels = int64_t{shape.batch} * shape.in_h * shape.in_w;
  const Axes axes(shape);
  if (op == PoolOp::max)
    return for_each_in_columns(pixels, shape.channels, stream,
                               PoolBackward<PoolOp::max>{axes, shape.channels, dy, indices, dx});
  return for_each_in_columns(pixels, shape.channels, stream,
                             PoolBackward<PoolOp::average>{axes, shape.channels, dy, nullptr, dx});
}

}  // namespace espalier::cuda::kernels
