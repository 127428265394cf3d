#include <algorithm>

#include "core/cpu/conv2d.h"
#include "core/cpu/gemm.h"
#include "core/cpu/parallel.h"
#include "core/cpu/winograd_kernel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

using winograd::kPatch;
using winograd::kPoints;
using winograd::outputs_of;
using winograd::Square;

// Transformed tiles that a thread works on at a time: with their products they stay in L2, as long as that
// leaves enough rows for the products to reach their speed.
constexpr int64_t kBlockFloats = 96 << 10, kLeastTiles = 28, kMostTiles = 256;
// For the weights' gradient: sums of this size stay in L2 too, and each part of the tiles has its own; larger
// ones are shared, and the transformed tiles of a chunk stay in L3.
constexpr int64_t kSumFloats = 64 << 10, kParts = 16, kChunkFloats = 4 << 20;
// A cache line more than a round number between points, so that a tile's points do not share cache sets.
constexpr int64_t kSkew = 16;

// Channels in whole vectors, as a transformed tile has them: only the images' own have ragged ends.
int64_t whole(int64_t channels) {
  const int64_t lanes = panel_width() / 2;
  return ceil_div(channels, lanes) * lanes;
}

int64_t stride_of(int64_t tiles, int64_t channels) {
  return ceil_div(tiles * whole(channels), kSkew) * kSkew + kSkew;
}

// How many tiles, of an input's and an output's channels, fit kBlockFloats.
int64_t fitting_tiles(const ConvShape& s) {
  return std::clamp(kBlockFloats / (kPoints * (whole(s.in_c) + whole(s.out_c))), kLeastTiles, kMostTiles);
}

// The tiles of all images' outputs, 4x4 or 2x2, counted row by row.
class Tiles {
 public:
  explicit Tiles(const ConvShape& shape)
      : shape_(shape),
        size_(outputs_of(shape.kernel_h)),
        rows_(ceil_div(shape.out_h, size_)),
        columns_(ceil_div(shape.out_w, size_)) {}
  int64_t count() const { return shape_.batch * rows_ * columns_; }

  Square<const float> patch(const float* x, int64_t tile) const {
    return square<const float>(x, tile, shape_.pad_h, shape_.pad_w, kPatch, shape_.in_h, shape_.in_w,
                               shape_.in_c);
  }
  template <typename Float>
  Square<Float> outputs(Float* y, int64_t tile) const {
    return square<Float>(y, tile, 0, 0, size_, shape_.out_h, shape_.out_w, shape_.out_c);
  }

 private:
  template <typename Float>
  Square<Float> square(Float* image, int64_t tile, int64_t pad_h, int64_t pad_w, int64_t size, int64_t height,
                       int64_t width, int64_t channels) const {
    const int64_t row = tile / columns_ % rows_ * size_ - pad_h, column = tile % columns_ * size_ - pad_w;
    const auto clip = [size](int64_t at, int64_t extent) {
      return static_cast<int>(std::clamp<int64_t>(extent - at, 0, size));
    };
    return {image + ((tile / (rows_ * columns_) * height + row) * width + column) * channels,
            width * channels,
            channels,
            static_cast<int>(std::clamp<int64_t>(-row, 0, size)),
            clip(row, height),
            static_cast<int>(std::clamp<int64_t>(-column, 0, size)),
            clip(column, width),
            image + shape_.batch * height * width * channels};
  }

  const ConvShape& shape_;
  int64_t size_, rows_, columns_;
};

// The weights of a convolution of in_c channels to out_c, transformed: for each point a packed in_c by out_c
// matrix.
class TransformedWeights {
 public:
  // `weight` is (out_c, filter, filter, in_c), or where `turned` the (in_c, filter, filter, out_c) of the
  // convolution whose gradient this one is.
  TransformedWeights(const float* weight, int64_t filter, int64_t in_c, int64_t out_c, bool turned)
      : panel_(in_c * panel_width()),
        point_(ceil_div(out_c, panel_width()) * panel_ + kSkew),
        floats_(kPoints * point_) {
    const int64_t size = filter * filter, width = panel_width();
    for_each_chunk(ceil_div(out_c, width), 1, [&, to = floats_.data()](int64_t panel, int64_t, int64_t) {
      const int64_t count = std::min(width, out_c - panel * width);
      float* points = to + panel * panel_;
      if (turned) {
        for (int64_t i = 0; i < in_c; ++i)
          winograd::transform_filter(filter, weight + i * size * out_c + panel * width, out_c, true, count,
                                     points + i * width, point_);
        return;
      }
      Workspace<float> taps(size * panel_);
      pack_panel(weight + panel * width * size * in_c, size * in_c, true, size * in_c, count, taps.data());
      for (int64_t i = 0; i < in_c; ++i)
        winograd::transform_filter(filter, taps.data() + i * width, panel_, false, count, points + i * width,
                                   point_);
    });
  }
  const float* point(int64_t index) const { return floats_.data() + index * point_; }
  int64_t panel() const { return panel_; }

 private:
  int64_t panel_, point_;
  Workspace<float> floats_;
};

}  // namespace

bool winograd_pays(const ConvShape& s, bool for_weights) {
  const bool is_tiled = s.kernel_h == s.kernel_w && (s.kernel_h == 3 || s.kernel_h == 5);
  if (!is_tiled || s.stride_h != 1 || s.stride_w != 1 || s.dilation_h != 1 || s.dilation_w != 1 ||
      s.groups != 1)
    return false;
  // Multiply-adds of vectors, or as long as that, measured with AVX-512: a product of tiles reaches three
  // quarters of the speed of a row's; what the transforms of a vector of channels take, and more where its
  // lanes are not all in use; a vector of weights that comes from far.
  constexpr double kProduct = 1.33, kIn = 280, kOut = 330, kGradient = 240, kPart = 300, kWeight = 8;
  const int64_t lanes = panel_width() / 2;
  const auto vectors = [=](int64_t channels) { return static_cast<double>(ceil_div(channels, lanes)); };
  const double matrix = static_cast<double>(s.in_c) * vectors(s.out_c);
  const int parts = (s.in_c % lanes != 0) + (s.out_c % lanes != 0);
  const double transforms = for_weights ? kIn * vectors(s.in_c) + kGradient * vectors(s.out_c)
                                        : kIn * vectors(s.in_c) + kOut * vectors(s.out_c) + kPart * parts;
  const double tiles = static_cast<double>(Tiles(s).count()), pixels = static_cast<double>(s.pixels());
  const auto taps = static_cast<double>(s.kernel_h * s.kernel_w);
  return tiles * (kProduct * kPoints * matrix + transforms) + kWeight * kPoints * matrix <
         pixels * taps * matrix + kWeight * taps * matrix;
}

void winograd_forward(const ConvShape& s, const float* x, const Tensor& weight, bool turned, float* y,
                      const EpilogueView& epilogue) {
  const Tiles tiles(s);
  const auto weights = weight.derived<TransformedWeights>(turned ? kWinogradTurned : kWinograd, [&] {
    return TransformedWeights(weight.data<float>(), s.kernel_h, s.in_c, s.out_c, turned);
  });
  const int64_t most = fitting_tiles(s);
  // Blocks of equal size, at least eight of them where that leaves kLeastTiles.
  const int64_t blocks =
      std::max(ceil_div(tiles.count(), most), std::min<int64_t>(8, ceil_div(tiles.count(), kLeastTiles)));
  const int64_t block = ceil_div(tiles.count(), std::max<int64_t>(blocks, 1));
  const int64_t in_row = whole(s.in_c), out_row = whole(s.out_c);
  const int64_t in_stride = stride_of(block, s.in_c), out_stride = stride_of(block, s.out_c);
  ThreadBuffers buffers(kPoints * (in_stride + out_stride));
  for_each_chunk(
      tiles.count(), std::max<int64_t>(block, 1),
      [&](int64_t, int64_t begin, int64_t end) {
        float* in = buffers.own();
        float* out = in + kPoints * in_stride;
        for (int64_t tile = begin; tile < end; ++tile)
          winograd::transform_input(tiles.patch(x, tile), s.in_c, in + (tile - begin) * in_row, in_stride);
        for (int64_t point = 0; point < kPoints; ++point)
          multiply({.m = end - begin,
                    .n = out_row,
                    .k = s.in_c,
                    .a = in + point * in_stride,
                    .a_row = in_row,
                    .b = weights->point(point),
                    .b_row = panel_width(),
                    .b_panel = weights->panel(),
                    .c = out + point * out_stride,
                    .c_row = out_row});
        for (int64_t tile = begin; tile < end; ++tile) {
          const Square<float> to = tiles.outputs(y, tile);
          winograd::transform_output(s.kernel_h, out + (tile - begin) * out_row, out_stride, s.out_c, to,
                                     epilogue.from(0, to.data - y));
        }
      },
      1);
}

namespace {

// The transformed sums of one gradient of the weights: for each point an out_c by in_c matrix.
class GradientSums {
 public:
  GradientSums(const ConvShape& shape, int64_t tiles)
      : shape_(shape),
        in_row_(whole(shape.in_c)),
        out_row_(whole(shape.out_c)),
        in_(stride_of(tiles, shape.in_c)),
        out_(stride_of(tiles, shape.out_c)) {}
  static int64_t stride(const ConvShape& shape) { return stride_of(shape.out_c, shape.in_c); }

  // What `tiles` transformed inputs and output gradients take. Behind the last row a product may read, but
  // not use, the rest of a vector.
  int64_t floats() const { return kPoints * (in_ + out_) + kSkew; }
  // Transforms tile `tile` to place `index` of `buffer`.
  void transform(const Tiles& tiles, const float* x, const float* dy, int64_t tile, int64_t index,
                 float* buffer) const {
    winograd::transform_input(tiles.patch(x, tile), shape_.in_c, inputs(buffer) + index * in_row_, in_);
    winograd::transform_gradient(shape_.kernel_h, tiles.outputs(dy, tile), shape_.out_c,
                                 buffer + index * out_row_, out_);
  }
  // sums += the products of `count` tiles at one point, or = where `first`.
  void add(int64_t point, int64_t count, float* buffer, bool first, float* sums) const {
    constexpr int64_t kDepth = 256;
    for (int64_t row = 0; row < count; row += kDepth)
      multiply({.m = shape_.out_c,
                .n = in_row_,
                .k = std::min(kDepth, count - row),
                .a = buffer + point * out_ + row * out_row_,
                .a_row = 1,
                .a_depth = out_row_,
                .b = inputs(buffer) + point * in_ + row * in_row_,
                .b_row = in_row_,
                .b_panel = panel_width(),
                .c = sums + point * stride(shape_),
                .c_row = in_row_,
                .beta = first && row == 0 ? 0.0f : 1.0f});
  }

 private:
  float* inputs(float* buffer) const { return buffer + kPoints * out_; }

  const ConvShape& shape_;
  int64_t in_row_, out_row_, in_, out_;
};

// The parts' sums, added in their order and transformed.
void write_gradient(const ConvShape& s, float* sums, int64_t parts, float* dweight) {
  const int64_t row = whole(s.in_c), stride = GradientSums::stride(s), size = kPoints * stride;
  if (parts > 1) sum_parts(sums, parts, size, sums);
  for_each_chunk(s.out_c, 8, [&](int64_t, int64_t from, int64_t to) {
    for (int64_t o = from; o < to; ++o)
      winograd::transform_filter_gradient(s.kernel_h, sums + o * row, stride, s.in_c, dweight + o * s.depth(),
                                          s.in_c);
  });
}

void backward_weight_in_parts(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  const Tiles tiles(s);
  const int64_t block = std::min(fitting_tiles(s), tiles.count());
  const int64_t part = std::max(block, ceil_div(tiles.count(), kParts)),
                parts = ceil_div(tiles.count(), part);
  const GradientSums step(s, block);
  const int64_t size = kPoints * GradientSums::stride(s);
  ThreadBuffers buffers(step.floats());
  Workspace<float> sums(parts * size);
  for_each_chunk(
      tiles.count(), part,
      [&](int64_t index, int64_t begin, int64_t end) {
        float* buffer = buffers.own();
        for (int64_t tile = begin; tile < end; tile += block) {
          const int64_t count = std::min(block, end - tile);
          for (int64_t i = 0; i < count; ++i) step.transform(tiles, x, dy, tile + i, i, buffer);
          for (int64_t point = 0; point < kPoints; ++point)
            step.add(point, count, buffer, tile == begin, sums.data() + index * size);
        }
      },
      1);
  write_gradient(s, sums.data(), parts, dweight);
}

void backward_weight_in_chunks(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  const Tiles tiles(s);
  const int64_t fitting = std::max(kChunkFloats / (kPoints * (whole(s.in_c) + whole(s.out_c))), kLeastTiles);
  const int64_t chunk = ceil_div(tiles.count(), ceil_div(tiles.count(), fitting));
  const GradientSums step(s, chunk);
  Workspace<float> buffer(step.floats()), sums(kPoints * GradientSums::stride(s));
  for (int64_t begin = 0; begin < tiles.count(); begin += chunk) {
    const int64_t count = std::min(chunk, tiles.count() - begin);
    for_each_chunk(
        count, 8,
        [&](int64_t, int64_t from, int64_t to) {
          for (int64_t i = from; i < to; ++i) step.transform(tiles, x, dy, begin + i, i, buffer.data());
        },
        1);
    for_each_chunk(
        kPoints, 1,
        [&](int64_t point, int64_t, int64_t) {
          step.add(point, count, buffer.data(), begin == 0, sums.data());
        },
        1);
  }
  write_gradient(s, sums.data(), 1, dweight);
}

}  // namespace

void winograd_backward_weight(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  if (s.batch == 0)
    std::fill_n(dweight, s.weights(), 0.0f);
  else if (kPoints * GradientSums::stride(s) <= kSumFloats)
    backward_weight_in_parts(s, x, dy, dweight);
  else
    backward_weight_in_chunks(s, x, dy, dweight);
}

}  // namespace espalier::cpu
