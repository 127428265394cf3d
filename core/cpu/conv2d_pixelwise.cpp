#include <algorithm>

#include "core/cpu/conv2d.h"
#include "core/cpu/gemm_kernel.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

// Convolution of small images, a pair of pixels at a time: for one pixel of the output and one of the input
// the images of a batch make one matrix product, and pairs that meet in the zeros around an image are never
// formed. On 2x2 images with 3x3 windows that leaves 16 products of 36.
namespace espalier::cpu {
namespace {

// Columns (or, for the weights' gradient, rows) of a product that a task computes.
constexpr int64_t kBlock = 128;
constexpr int64_t kDepth = 256;

// body(input pixel, tap) for every input pixel that output pixel `p` sees.
template <typename Body>
void for_each_tap(const ConvShape& s, int64_t p, Body body) {
  for (int64_t r = 0; r < s.kernel_h; ++r)
    for (int64_t t = 0; t < s.kernel_w; ++t) {
      const int64_t h = p / s.out_w * s.stride_h - s.pad_h + r * s.dilation_h;
      const int64_t w = p % s.out_w * s.stride_w - s.pad_w + t * s.dilation_w;
      if (h >= 0 && h < s.in_h && w >= 0 && w < s.in_w) body(h * s.in_w + w, r * s.kernel_w + t);
    }
}

// For each tap the weights as a packed matrix, in_c by out_c, or with `turned` out_c by in_c.
class PackedTaps {
 public:
  PackedTaps(const ConvShape& s, const float* weight, bool turned)
      : rows_(turned ? s.out_c : s.in_c),
        tap_(ceil_div(turned ? s.in_c : s.out_c, panel_width()) * panel()),
        floats_(s.kernel_h * s.kernel_w * tap_) {
    const int64_t taps = s.kernel_h * s.kernel_w, width = panel_width(), columns = turned ? s.in_c : s.out_c;
    const int64_t panels = tap_ / panel();
    for_each_chunk(taps * panels, 1, [&, to = floats_.data()](int64_t i, int64_t, int64_t) {
      const int64_t tap = i / panels, column = i % panels * width;
      pack_panel(weight + tap * s.in_c + (turned ? column : column * taps * s.in_c), taps * s.in_c, !turned,
                 rows_, std::min(width, columns - column), to + i * panel());
    });
  }
  int64_t panel() const { return rows_ * panel_width(); }
  const float* at(int64_t tap, int64_t column) const {
    return floats_.data() + tap * tap_ + column / panel_width() * panel();
  }

 private:
  int64_t rows_, tap_;
  Workspace<float> floats_;
};

// c += a b, a block of depth at a time; the last one with `block`'s epilogue.
void add_product(GemmBlock block, bool last) {
  const EpilogueView epilogue = last ? block.epilogue : EpilogueView();
  const int64_t depth = block.k;
  for (int64_t k = 0; k < depth; k += kDepth) {
    block.k = std::min(kDepth, depth - k);
    block.epilogue = k + block.k == depth ? epilogue : EpilogueView();
    multiply(block);
    block.a += block.k * block.a_depth;
    block.b += block.k * block.b_row;
    block.beta = 1.0f;
  }
}

}  // namespace

bool pixelwise_fits(const ConvShape& s) {
  constexpr int64_t kLeastBatch = 8, kMostPixels = 16;
  return s.groups == 1 && s.batch >= kLeastBatch && s.out_h * s.out_w <= kMostPixels &&
         s.in_h * s.in_w <= 4 * kMostPixels;
}

void pixelwise_forward(const ConvShape& s, const float* x, const Tensor& weight, float* y,
                       const EpilogueView& epilogue) {
  const auto taps = weight.derived<PackedTaps>(kPackedForPixels,
                                               [&] { return PackedTaps(s, weight.data<float>(), false); });
  const int64_t pixels = s.out_h * s.out_w, blocks = ceil_div(s.out_c, kBlock);
  for_each_chunk(
      pixels * blocks, 1,
      [&](int64_t index, int64_t, int64_t) {
        const int64_t p = index / blocks, column = index % blocks * kBlock, offset = p * s.out_c + column;
        GemmBlock block{.m = s.batch,
                        .n = std::min(kBlock, s.out_c - column),
                        .k = s.in_c,
                        .a_row = s.in_h * s.in_w * s.in_c,
                        .b_row = panel_width(),
                        .b_panel = taps->panel(),
                        .c = y + offset,
                        .c_row = pixels * s.out_c,
                        .epilogue = epilogue.from(column, offset)};
        int64_t left = 0;
        for_each_tap(s, p, [&](int64_t, int64_t) { ++left; });
        if (left == 0) {  // the window lies in the zeros
          block.k = 0;
          multiply(block);
        }
        for_each_tap(s, p, [&](int64_t q, int64_t tap) {
          block.a = x + q * s.in_c;
          block.b = taps->at(tap, column);
          add_product(block, --left == 0);
          block.beta = 1.0f;
        });
      },
      1);
}

void pixelwise_backward_data(const ConvShape& s, const float* dy, const Tensor& weight, float* dx,
                             const float* addend) {
  const auto taps = weight.derived<PackedTaps>(kPackedForPixelsTurned,
                                               [&] { return PackedTaps(s, weight.data<float>(), true); });
  const int64_t pixels = s.out_h * s.out_w, size = s.in_h * s.in_w * s.in_c;
  for_each_chunk(
      ceil_div(s.in_c, kBlock), 1,
      [&](int64_t index, int64_t, int64_t) {
        const int64_t column = index * kBlock, columns = std::min(kBlock, s.in_c - column);
        for (int64_t n = 0; n < s.batch; ++n)
          for (int64_t q = 0; q < s.in_h * s.in_w; ++q) {
            const int64_t offset = n * size + q * s.in_c + column;
            if (addend != nullptr)
              std::copy_n(addend + offset, columns, dx + offset);
            else
              std::fill_n(dx + offset, columns, 0.0f);
          }
        for (int64_t p = 0; p < pixels; ++p)
          for_each_tap(s, p, [&](int64_t q, int64_t tap) {
            add_product({.m = s.batch,
                         .n = columns,
                         .k = s.out_c,
                         .a = dy + p * s.out_c,
                         .a_row = pixels * s.out_c,
                         .b = taps->at(tap, column),
                         .b_row = panel_width(),
                         .b_panel = taps->panel(),
                         .c = dx + q * s.in_c + column,
                         .c_row = size,
                         .beta = 1.0f},
                        true);
          });
      },
      1);
}

void pixelwise_backward_weight(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  const int64_t pixels = s.out_h * s.out_w, in_pixels = s.in_h * s.in_w, taps = s.kernel_h * s.kernel_w;
  // Rows of the images pixel by pixel, and room for the rest of a vector behind the last.
  Workspace<float> images(in_pixels * s.batch * s.in_c + panel_width());
  for_each_chunk(in_pixels, 1, [&, to = images.data()](int64_t q, int64_t, int64_t) {
    for (int64_t n = 0; n < s.batch; ++n)
      std::copy_n(x + (n * in_pixels + q) * s.in_c, s.in_c, to + (q * s.batch + n) * s.in_c);
  });
  for_each_chunk(
      ceil_div(s.out_c, kBlock), 1,
      [&, from = images.data()](int64_t index, int64_t, int64_t) {
        const int64_t row = index * kBlock, rows = std::min(kBlock, s.out_c - row);
        float* to = dweight + row * taps * s.in_c;
        std::fill_n(to, rows * taps * s.in_c, 0.0f);
        for (int64_t p = 0; p < pixels; ++p)
          for_each_tap(s, p, [&](int64_t q, int64_t tap) {
            add_product({.m = rows,
                         .n = s.in_c,
                         .k = s.batch,
                         .a = dy + p * s.out_c + row,
                         .a_row = 1,
                         .a_depth = pixels * s.out_c,
                         .b = from + q * s.batch * s.in_c,
                         .b_row = s.in_c,
                         .b_panel = panel_width(),
                         .c = to + tap * s.in_c,
                         .c_row = taps * s.in_c,
                         .beta = 1.0f},
                        true);
          });
      },
      1);
}

}  // namespace espalier::cpu
