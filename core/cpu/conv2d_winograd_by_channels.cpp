#include <algorithm>

#include "core/cpu/conv2d.h"
#include "core/cpu/parallel.h"
#include "core/cpu/winograd_tiles.h"
#include "core/cpu/winograd_weights.h"
#include "core/cpu/workspace.h"

// Winograd's convolution of many channels over few tiles. There the 36 matrices of weights are what memory
// has to bring; so all tiles are transformed first, and weights, or their gradients, some channels at a time,
// whose matrices never leave L2.
namespace espalier::cpu {
namespace {

using winograd::kPoints;
using winograd::kSkew;
using winograd::Tiles;
using winograd::whole;

// Input channels whose weights are transformed at a time, and panels of output channels.
constexpr int64_t kInChannels = 128, kOutPanels = 2;

// Tiles transformed for the weights' gradient: for each point and panel of channels a row for each tile.
class PanelledTiles {
 public:
  PanelledTiles(int64_t tiles, int64_t channels)
      : channels_(channels),
        panels_(ceil_div(channels, panel_width())),
        panel_(tiles * panel_width()),
        point_(panels_ * panel_ + kSkew),
        floats_(kPoints * point_) {}
  int64_t panels() const { return panels_; }
  // Of a panel's channels.
  int64_t count(int64_t panel) const { return std::min(panel_width(), channels_ - panel * panel_width()); }
  const float* at(int64_t point, int64_t panel) const {
    return floats_.data() + point * point_ + panel * panel_;
  }
  // transform(square, channels, points, point_stride) for each panel of tile `tile`.
  template <typename Transform>
  void fill(int64_t tile, winograd::Square<const float> square, Transform transform) {
    float* to = floats_.data() + tile * panel_width();
    for (int64_t panel = 0; panel < panels_; ++panel) {
      transform(square, count(panel), to + panel * panel_, point_);
      square.data += panel_width();
    }
  }

 private:
  int64_t channels_, panels_, panel_, point_;
  Workspace<float> floats_;
};

}  // namespace

void winograd_forward_by_channels(const ConvShape& s, const float* x, const Tensor& weight, bool turned,
                                  float* y, const EpilogueView& epilogue) {
  const Tiles tiles(s);
  const winograd::Weights weights = winograd::weights_of(s, weight, turned);
  const int64_t count = tiles.count(), in_row = whole(s.in_c), in_point = winograd::stride_of(count, in_row);
  const int64_t depth = std::min(kInChannels, s.in_c), panel = depth * panel_width();
  const int64_t columns = kOutPanels * panel_width();
  const int64_t weight_point = kOutPanels * panel + kSkew, sum_point = count * columns + kSkew;
  Workspace<float> in(kPoints * in_point);
  ThreadBuffers buffers(kPoints * (weight_point + sum_point));
  for_each_chunk(
      count, 4,
      [&, to = in.data()](int64_t, int64_t begin, int64_t end) {
        tiles.for_each(begin, end, s.in_c, [&](int64_t i, const auto& at) {
          winograd::transform_input(tiles.patch(x, at), s.in_c, to + (begin + i) * in_row, in_point);
        });
      },
      1);
  for_each_chunk(
      s.out_c, columns,
      [&, from = in.data()](int64_t index, int64_t begin, int64_t end) {
        float* matrices = buffers.own();
        float* sums = matrices + kPoints * weight_point;
        const int64_t out_row = whole(end - begin);
        for (int64_t k = 0; k < s.in_c; k += depth) {
          const int64_t last = std::min(k + depth, s.in_c);
          for (int64_t i = 0; i * panel_width() < end - begin; ++i)
            transform_weights(weights, index * kOutPanels + i, k, last, matrices + i * panel, weight_point,
                              panel_width());
          for (int64_t point = 0; point < kPoints; ++point)
            multiply({.m = count,
                      .n = out_row,
                      .k = last - k,
                      .a = from + point * in_point + k,
                      .a_row = in_row,
                      .b = matrices + point * weight_point,
                      .b_row = panel_width(),
                      .b_panel = panel,
                      .c = sums + point * sum_point,
                      .c_row = columns,
                      .beta = k == 0 ? 0.0f : 1.0f});
        }
        tiles.for_each(0, count, s.out_c, [&](int64_t tile, const auto& at) {
          winograd::Square<float> to = tiles.outputs(y, at);
          to.data += begin;
          to.end = to.data;  // behind these channels others may be written already
          winograd::transform_output(s.kernel_h, sums + tile * columns, sum_point, end - begin, to,
                                     epilogue.from(begin, to.data - y));
        });
      },
      1);
}

void winograd_backward_weight_by_channels(const ConvShape& s, const float* x, const float* dy,
                                          float* dweight) {
  const Tiles tiles(s);
  const int64_t count = tiles.count(), width = panel_width();
  PanelledTiles inputs(count, s.in_c), gradients(count, s.out_c);
  for_each_chunk(
      count, 4,
      [&](int64_t, int64_t begin, int64_t end) {
        tiles.for_each(begin, end, s.in_c, [&](int64_t i, const auto& at) {
          inputs.fill(begin + i, tiles.patch(x, at), winograd::transform_input);
          gradients.fill(begin + i, tiles.outputs(dy, at),
                         [&](const auto& square, int64_t channels, float* points, int64_t point_stride) {
                           winograd::transform_gradient(s.kernel_h, square, channels, points, point_stride);
                         });
        });
      },
      1);
  const int64_t sum_point = width * width + kSkew;
  ThreadBuffers buffers(kPoints * sum_point);
  for_each_chunk(
      gradients.panels(), 1,
      [&](int64_t out, int64_t, int64_t) {
        float* sums = buffers.own();
        for (int64_t in = 0; in < inputs.panels(); ++in) {
          for (int64_t point = 0; point < kPoints; ++point)
            multiply({.m = gradients.count(out),
                      .n = whole(inputs.count(in)),
                      .k = count,
                      .a = gradients.at(point, out),
                      .a_row = 1,
                      .a_depth = width,
                      .b = inputs.at(point, in),
                      .b_row = width,
                      .c = sums + point * sum_point,
                      .c_row = width});
          for (int64_t o = 0; o < gradients.count(out); ++o)
            winograd::transform_filter_gradient(s.kernel_h, sums + o * width, sum_point, inputs.count(in),
                                                dweight + (out * width + o) * s.depth() + in * width, s.in_c);
        }
      },
      1);
}

}  // namespace espalier::cpu
