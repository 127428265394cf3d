#include <algorithm>
#include <utility>

#include "core/cpu/conv2d.h"
#include "core/cpu/parallel.h"
#include "core/cpu/winograd_tiles.h"
#include "core/cpu/winograd_weights.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

using winograd::kLeastTiles;
using winograd::kPoints;
using winograd::kSkew;
using winograd::Square;
using winograd::stride_of;
using winograd::Tiles;
using winograd::TransformedTiles;
using winograd::TransformedWeights;
using winograd::Transforms;
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
  // Multiply-adds of vectors, or as long as that, by which the faster path is chosen for most of 80 shapes in
  // each pass, with AVX-512 and AVX2: a product of tiles reaches nine tenths of the speed of a row's; what
  // the transforms of a vector of channels take; a vector of weights that comes from far.
  constexpr double kProduct = 1.1, kIn = 160, kOut = 300, kGradient = 350, kWeight = 6;
  const int64_t lanes = panel_width() / 2;
  const Tiles tiles(s, Transforms::twins);
  const auto vectors = [=](int64_t channels) { return static_cast<double>(ceil_div(channels, lanes)); };
  const auto shared = [&](int64_t channels) {
    return vectors(channels) / static_cast<double>(tiles.at_once(channels));
  };
  // Of the matrix of weights, whose gradient's rows are output channels.
  const bool is_gradient = pass == ConvPass::weight_gradient;
  const double matrix = static_cast<double>(s.in_c) * vectors(s.out_c);
  const double product = is_gradient ? std::min(static_cast<double>(s.out_c) * vectors(s.in_c), matrix)
                                     : static_cast<double>(s.in_c) * shared(s.out_c);
  const double transforms = kIn * shared(s.in_c) + (is_gradient ? kGradient : kOut) * shared(s.out_c);
  const double pixels = static_cast<double>(s.pixels());
  const auto taps = static_cast<double>(s.kernel_h * s.kernel_w);
  // An input's gradient adds to its rows again and again, which takes as long as kAdd products, or through
  // patches to their places, whose products take kPatch times as long.
  constexpr double kAdd = 24, kPlace = 4, kPatch = 2.3;
  double directly = taps * matrix;
  if (pass == ConvPass::input_gradient && !pixelwise_fits(s))
    directly = rows_are_short(s.kernel_h, s.kernel_w * s.out_c)
                   ? kPatch * static_cast<double>(s.in_c) * vectors(s.kernel_h * s.kernel_w * s.out_c) +
                         kPlace * taps
                   : static_cast<double>(s.kernel_h) * (static_cast<double>(s.in_c) + kAdd) *
                         vectors(s.kernel_w * s.out_c);
  return static_cast<double>(tiles.count()) * (kProduct * kPoints * product + transforms) +
             kWeight * kPoints * product <
         pixels * directly + kWeight * taps * matrix;
}

namespace {

// Where the transforms of a group of tiles and their sums lie in a thread's buffer, and how far their points
// are apart. The sums of one panel are written over what they were made from, each row before those that are
// still to be read.
struct GroupPlaces {
  GroupPlaces(int64_t tiles, int64_t in_row, int64_t out_row)
      : in_point(stride_of(tiles, in_row)), out(kPoints * in_point), out_point(stride_of(tiles, out_row)) {
    floats = out + kPoints * out_point;
    if (out_row > panel_width()) return;
    in = tiles * std::max<int64_t>(out_row - in_row, 0);
    out = 0;
    in_point = out_point = std::max(in_point, out_point);
    floats = kPoints * in_point;
  }
  int64_t in = 0, in_point, out, out_point, floats;
};

void add_square(const Square<float>& outputs, PartMoments& part) {
  const int64_t count = outputs.column_end * outputs.column_stride;
  part.add(outputs.data, outputs.row_end, count, outputs.row_stride);
  if (outputs.twin != 0) part.add(outputs.data + outputs.twin, outputs.row_end, count, outputs.row_stride);
}

}  // namespace

void winograd_forward(const ConvShape& s, const float* x, const Tensor& weight, bool turned, float* y,
                      const EpilogueView& epilogue, OutputMoments* moments) {
  if (s.pixels() == 0) return;
  if (goes_by_channels(s)) {
    winograd_forward_by_channels(s, x, weight, turned, y, epilogue);
    return;
  }
  const Tiles tiles(s, Transforms::twins);
  const auto weights = weight.derived<TransformedWeights>(turned ? kWinogradTurned : kWinograd, [&] {
    return TransformedWeights(winograd::weights_of(s, weight, turned));
  });
  // Blocks of equal size, at least eight of them where that leaves kLeastTiles, and in fours: of 19, one of
  // two threads would have ten.
  const int64_t fitting = std::max(ceil_div(tiles.count(), tiles.fitting()),
                                   std::min<int64_t>(8, ceil_div(tiles.count(), kLeastTiles)));
  const int64_t blocks = fitting > 2 ? ceil_div(fitting, 4) * 4 : fitting;
  const int64_t equal = ceil_div(tiles.count(), blocks);
  const int64_t in_row = tiles.row(s.in_c), out_row = tiles.row(s.out_c);
  // Where all weights stay near, a few tiles go through transforms and products before the next, and stay
  // nearer still.
  constexpr int64_t kNearWeights = 80 << 10;
  const bool in_groups = kPoints * s.in_c * out_row <= kNearWeights;
  const int64_t block = in_groups ? ceil_div(equal, kBatchRows) * kBatchRows : tiles.unparted(equal);
  const int64_t group = in_groups ? kBatchRows : block;
  const GroupPlaces places(group, in_row, out_row);
  const int64_t lanes = tiles.size() * s.out_c;
  if (moments != nullptr) moments->emplace(s.out_c, ceil_div(tiles.count(), block));
  ThreadBuffers buffers(places.floats + PartMoments::floats(lanes));
  for_each_chunk(
      tiles.count(), block,
      [&](int64_t index, int64_t begin, int64_t end) {
        float* buffer = buffers.own();
        const TransformedTiles in{buffer + places.in, in_row, places.in_point};
        const TransformedTiles out{buffer + places.out, out_row, places.out_point};
        PartMoments part(s.out_c, lanes, buffer + places.floats);
        for (int64_t from = begin; from < end; from += group) {
          const int64_t count = std::min(group, end - from);
          tiles.for_each(from, from + count, s.in_c, [&](int64_t i, const Tiles::Place& at) {
            winograd::transform_input(tiles.patch(x, at), s.in_c, in.data + i * in_row, in.point);
          });
          weights->multiply(count, in, out);
          tiles.for_each(from, from + count, s.out_c, [&](int64_t i, const Tiles::Place& at) {
            const Square<float> to = tiles.outputs(y, at);
            winograd::transform_output(s.kernel_h, out.data + i * out_row, out.point, s.out_c, to,
                                       epilogue.from(0, to.data - y));
            if (moments != nullptr) add_square(to, part);
          });
        }
        if (moments != nullptr) part.store(index, **moments);
      },
      1);
}

namespace {

// The transformed sums of a gradient of the weights: for each point, `point` floats apart, an out_c by in_c
// matrix, or in_c by out_c where that has fewer vectors.
struct GradientMatrix {
  explicit GradientMatrix(const ConvShape& shape)
      : by_inputs(shape.in_c * whole(shape.out_c) < shape.out_c * whole(shape.in_c)),
        rows(by_inputs ? shape.in_c : shape.out_c),
        row(whole(by_inputs ? shape.out_c : shape.in_c)),
        point(stride_of(rows, row)) {}
  int64_t floats() const { return kPoints * point; }

  bool by_inputs;
  int64_t rows, row, point;
};

// What adds tiles to them.
class GradientSums {
 public:
  GradientSums(const ConvShape& shape, const Tiles& tiles, int64_t most_tiles)
      : shape_(shape),
        tiles_(tiles),
        matrix_(shape),
        in_row_(tiles.row(shape.in_c)),
        out_row_(tiles.row(shape.out_c)),
        in_(stride_of(most_tiles, in_row_)),
        out_(stride_of(most_tiles, out_row_)) {}
  const GradientMatrix& matrix() const { return matrix_; }

  // What the transformed inputs and output gradients take. Behind the last row a product may read, but not
  // use, the rest of a vector.
  int64_t floats() const { return kPoints * (in_ + out_) + kSkew; }
  // Transforms `count` tiles from `tile` on to places of `buffer` from `index` on.
  void transform(const float* x, const float* dy, int64_t tile, int64_t count, int64_t index,
                 float* buffer) const {
    tiles_.for_each(tile, tile + count, shape_.in_c, [=, this](int64_t i, const Tiles::Place& at) {
      winograd::transform_input(tiles_.patch(x, at), shape_.in_c, inputs(buffer) + (index + i) * in_row_,
                                in_);
    });
    tiles_.for_each(tile, tile + count, shape_.out_c, [=, this](int64_t i, const Tiles::Place& at) {
      winograd::transform_gradient(shape_.kernel_h, tiles_.outputs(dy, at), shape_.out_c,
                                   gradients(buffer) + (index + i) * out_row_, out_);
    });
  }
  // sums += the products of `count` tiles at one point, or = where `first`.
  void add(int64_t point, int64_t count, float* buffer, bool first, float* sums) const {
    constexpr int64_t kDepth = 256;
    TransformedTiles a{gradients(buffer) + point * out_, out_row_, out_};
    TransformedTiles b{inputs(buffer) + point * in_, in_row_, in_};
    if (matrix_.by_inputs) std::swap(a, b);
    for (int64_t tile = 0; tile < count; tile += kDepth)
      multiply({.m = matrix_.rows,
                .n = matrix_.row,
                .k = std::min(kDepth, count - tile),
                .a = a.data + tile * a.row,
                .a_row = 1,
                .a_depth = a.row,
                .b = b.data + tile * b.row,
                .b_row = b.row,
                .b_panel = panel_width(),
                .c = sums + point * matrix_.point,
                .c_row = matrix_.row,
                .beta = first && tile == 0 ? 0.0f : 1.0f});
  }

 private:
  static float* gradients(float* buffer) { return buffer; }
  float* inputs(float* buffer) const { return buffer + kPoints * out_; }

  const ConvShape& shape_;
  const Tiles& tiles_;
  GradientMatrix matrix_;
  int64_t in_row_, out_row_, in_, out_;
};

// The parts' sums, added in their order and transformed.
void write_gradient(const ConvShape& s, const GradientMatrix& matrix, float* sums, int64_t parts,
                    float* dweight) {
  if (parts > 1) sum_parts(sums, parts, matrix.floats(), sums);
  for_each_chunk(matrix.rows, 8, [&](int64_t, int64_t from, int64_t to) {
    if (!matrix.by_inputs) {
      for (int64_t o = from; o < to; ++o)
        winograd::transform_filter_gradient(s.kernel_h, sums + o * matrix.row, matrix.point, s.in_c,
                                            dweight + o * s.depth(), s.in_c);
      return;
    }
    const int64_t taps = s.kernel_h * s.kernel_w;
    Workspace<float> of_input(taps * s.out_c);
    for (int64_t i = from; i < to; ++i) {
      winograd::transform_filter_gradient(s.kernel_h, sums + i * matrix.row, matrix.point, s.out_c,
                                          of_input.data(), s.out_c);
      for (int64_t o = 0; o < s.out_c; ++o)
        for (int64_t tap = 0; tap < taps; ++tap)
          dweight[o * s.depth() + tap * s.in_c + i] = of_input.data()[tap * s.out_c + o];
    }
  });
}

void backward_weight_in_parts(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  const Tiles tiles(s, Transforms::twins);
  const int64_t fitting = std::min(tiles.fitting(), tiles.count());
  const int64_t part = tiles.unparted(std::max(fitting, ceil_div(tiles.count(), kParts))),
                parts = ceil_div(tiles.count(), part);
  const int64_t block = tiles.unparted(ceil_div(part, (part + fitting / 2) / fitting));  // equal ones
  const GradientSums step(s, tiles, block);
  const int64_t size = step.matrix().floats();
  ThreadBuffers buffers(step.floats());
  Workspace<float> sums(parts * size);
  for_each_chunk(
      tiles.count(), part,
      [&](int64_t index, int64_t begin, int64_t end) {
        float* buffer = buffers.own();
        for (int64_t tile = begin; tile < end; tile += block) {
          const int64_t count = std::min(block, end - tile);
          step.transform(x, dy, tile, count, 0, buffer);
          for (int64_t point = 0; point < kPoints; ++point)
            step.add(point, count, buffer, tile == begin, sums.data() + index * size);
        }
      },
      1);
  write_gradient(s, step.matrix(), sums.data(), parts, dweight);
}

void backward_weight_in_chunks(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  const Tiles tiles(s, Transforms::twins);
  const int64_t fitting =
      std::max(kChunkFloats / (kPoints * (tiles.row(s.in_c) + tiles.row(s.out_c))), kLeastTiles);
  const int64_t chunk = tiles.unparted(ceil_div(tiles.count(), ceil_div(tiles.count(), fitting)));
  const GradientSums step(s, tiles, chunk);
  Workspace<float> buffer(step.floats()), sums(step.matrix().floats());
  for (int64_t begin = 0; begin < tiles.count(); begin += chunk) {
    const int64_t count = std::min(chunk, tiles.count() - begin);
    for_each_chunk(
        count, 8,  // parts no twins
        [&](int64_t, int64_t from, int64_t to) {
          step.transform(x, dy, begin + from, to - from, from, buffer.data());
        },
        1);
    for_each_chunk(
        kPoints, 1,
        [&](int64_t point, int64_t, int64_t) {
          step.add(point, count, buffer.data(), begin == 0, sums.data());
        },
        1);
  }
  write_gradient(s, step.matrix(), sums.data(), 1, dweight);
}

}  // namespace

void winograd_backward_weight(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  if (s.batch == 0)
    std::fill_n(dweight, s.weights(), 0.0f);
  else if (goes_by_channels(s))
    winograd_backward_weight_by_channels(s, x, dy, dweight);
  else if (GradientMatrix(s).floats() <= kSumFloats)
    backward_weight_in_parts(s, x, dy, dweight);
  else
    backward_weight_in_chunks(s, x, dy, dweight);
}

}  // namespace espalier::cpu
