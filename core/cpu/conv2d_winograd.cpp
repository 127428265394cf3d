#include <algorithm>

#include "core/cpu/conv2d.h"
#include "core/cpu/parallel.h"
#include "core/cpu/winograd_tiles.h"
#include "core/cpu/winograd_weights.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

using winograd::fitting_tiles;
using winograd::kLeastTiles;
using winograd::kPoints;
using winograd::kSkew;
using winograd::Square;
using winograd::stride_of;
using winograd::Tiles;
using winograd::TransformedWeights;
using winograd::whole;

// For the weights' gradient: sums of this size stay in L2 too, and each part of the tiles has its own; larger
// ones are shared, and the transformed tiles of a chunk stay in L3.
constexpr int64_t kSumFloats = 64 << 10, kParts = 16, kChunkFloats = 4 << 20;

// The matrices of weights outgrow L2 many times, and few tiles share the way from memory.
bool goes_by_channels(const ConvShape& s) {
  constexpr int64_t kFewTiles = 128, kManyWeights = 1 << 17;
  return s.in_c * s.out_c >= kManyWeights && Tiles(s).count() <= kFewTiles;
}

}  // namespace

bool winograd_pays(const ConvShape& s, ConvPass pass) {
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
  // Of the matrix of weights, whose gradient's rows are output channels.
  const bool is_gradient = pass == ConvPass::weight_gradient;
  const double matrix = static_cast<double>(s.in_c) * vectors(s.out_c);
  const double product = is_gradient ? static_cast<double>(s.out_c) * vectors(s.in_c) : matrix;
  const int parts = (s.in_c % lanes != 0) + (s.out_c % lanes != 0);
  const double transforms = is_gradient ? kIn * vectors(s.in_c) + kGradient * vectors(s.out_c)
                                        : kIn * vectors(s.in_c) + kOut * vectors(s.out_c) + kPart * parts;
  const double tiles = static_cast<double>(Tiles(s).count()), pixels = static_cast<double>(s.pixels());
  const auto taps = static_cast<double>(s.kernel_h * s.kernel_w);
  // Directly an input's gradient adds to its rows again and again, which takes as long as kAdd products.
  constexpr double kAdd = 24;
  const double directly = pass == ConvPass::input_gradient && !pixelwise_fits(s)
                              ? static_cast<double>(s.kernel_h) * (static_cast<double>(s.in_c) + kAdd) *
                                    vectors(s.kernel_w * s.out_c)
                              : taps * matrix;
  return tiles * (kProduct * kPoints * product + transforms) + kWeight * kPoints * product <
         pixels * directly + kWeight * taps * matrix;
}

void winograd_forward(const ConvShape& s, const float* x, const Tensor& weight, bool turned, float* y,
                      const EpilogueView& epilogue) {
  if (goes_by_channels(s)) {
    winograd_forward_by_channels(s, x, weight, turned, y, epilogue);
    return;
  }
  const Tiles tiles(s);
  const auto weights = weight.derived<TransformedWeights>(turned ? kWinogradTurned : kWinograd, [&] {
    return TransformedWeights(winograd::weights_of(s, weight, turned));
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
          weights->multiply(point, end - begin, in + point * in_stride, in_row, out + point * out_stride,
                            out_row);
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
  const int64_t fitting = std::min(fitting_tiles(s), tiles.count());
  const int64_t part = std::max(fitting, ceil_div(tiles.count(), kParts)),
                parts = ceil_div(tiles.count(), part);
  const int64_t block = ceil_div(part, (part + fitting / 2) / fitting);  // equal ones
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
  else if (goes_by_channels(s))
    winograd_backward_weight_by_channels(s, x, dy, dweight);
  else if (kPoints * GradientSums::stride(s) <= kSumFloats)
    backward_weight_in_parts(s, x, dy, dweight);
  else
    backward_weight_in_chunks(s, x, dy, dweight);
}

}  // namespace espalier::cpu
