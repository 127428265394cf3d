#include <algorithm>

#include "core/cpu/columns.h"
#include "core/cpu/conv2d.h"
#include "core/cpu/gemm_kernel.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

// Convolution as matrix products that read the images where they stand: in NHWC the taps of a window's row
// lie side by side, so that a row of outputs is a product whose left matrix has overlapping rows, and no
// patches are copied.
namespace espalier::cpu {
namespace {

// Multiply-accumulates that make a task worth a thread's while.
constexpr double kTaskProducts = 1 << 20;

// Some rows of an image with the zeros around it that the windows reach.
struct Strip {
  // The rows that the outputs' rows [begin, end) read.
  Strip(const ConvShape& shape, int64_t begin, int64_t end)
      : first(begin * shape.stride_h - shape.pad_h),
        rows((end - 1 - begin) * shape.stride_h + shape.dilation_h * (shape.kernel_h - 1) + 1),
        row_floats((shape.in_w + 2 * shape.pad_w) * shape.in_c) {}
  // Behind the last row a product may read, but not use, the rest of a vector.
  int64_t floats() const { return rows * row_floats + panel_width(); }

  void copy_from(const ConvShape& s, const float* image, float* strip) const {
    const int64_t side = s.pad_w * s.in_c, row = s.in_w * s.in_c;
    for (int64_t i = 0; i < rows; ++i) {
      float* to = strip + i * row_floats;
      if (first + i < 0 || first + i >= s.in_h) {
        std::fill_n(to, row_floats, 0.0f);
        continue;
      }
      std::fill_n(to, side, 0.0f);
      std::copy_n(image + (first + i) * row, row, to + side);
      std::fill_n(to + side + row, side, 0.0f);
    }
  }

  int64_t first, rows, row_floats;
};

int64_t images_per_part(const ConvShape& s) {
  constexpr int64_t kParts = 16;
  const double products = static_cast<double>(s.out_h * s.out_w * s.weights());
  return std::max(ceil_div(s.batch, kParts),
                  static_cast<int64_t>(kTaskProducts / std::max(products, 1.0)) + 1);
}

}  // namespace

bool direct_fits(const ConvShape& s) {
  // Fewer rows to a product than this leave its sums waiting for one another.
  constexpr int64_t kLeastWidth = 5;
  // Windows that skip pixels leave most of what a strip would copy unread.
  const bool skips = s.stride_h > s.kernel_h || s.stride_w > s.kernel_w;
  return s.groups == 1 && !skips && (s.dilation_w == 1 || s.kernel_w == 1) && s.out_w >= kLeastWidth;
}

bool rows_are_short(int64_t kernel_h, int64_t run) {
  constexpr int64_t kFewFloats = 6;
  return kernel_h > 1 && run <= kFewFloats;
}

void direct_forward(const ConvShape& s, const float* x, const Tensor& weight, float* y,
                    const EpilogueView& epilogue, OutputMoments* moments) {
  const int64_t width = panel_width(), run = s.kernel_w * s.in_c, panel = s.depth() * width;
  const auto packed = weight.derived<Workspace<float>>(kPackedForRows, [&, from = weight.data<float>()] {
    Workspace<float> made(ceil_div(s.out_c, width) * panel);
    for_each_chunk(ceil_div(s.out_c, width), 1, [&, to = made.data()](int64_t i, int64_t, int64_t) {
      pack_panel(from + i * width * s.depth(), s.depth(), true, s.depth(),
                 std::min(width, s.out_c - i * width), to + i * panel);
    });
    return made;
  });
  const double row_products = static_cast<double>(s.out_w * s.weights());
  const int64_t rows = std::clamp<int64_t>(static_cast<int64_t>(kTaskProducts / row_products), 1, s.out_h);
  const int64_t tasks = ceil_div(s.out_h, rows);
  // Weights that do not fit in L1 come there panel by panel, each for all rows of a task.
  const int64_t columns = s.weights() > kNearFloats ? width : s.out_c;
  const int64_t strip_floats = Strip(s, 0, rows).floats(), lanes = ColumnLanes(s.out_c).width;
  if (moments != nullptr) moments->emplace(s.out_c, s.batch * tasks);
  ThreadBuffers buffers(strip_floats + PartMoments::floats(lanes));
  for_each_chunk(
      s.batch * tasks, 1,
      [&](int64_t index, int64_t, int64_t) {
        const int64_t n = index / tasks, begin = index % tasks * rows, end = std::min(begin + rows, s.out_h);
        const Strip strip(s, begin, end);
        float* in = buffers.own();
        strip.copy_from(s, x + n * s.in_h * s.in_w * s.in_c, in);
        for (int64_t column = 0; column < s.out_c; column += columns)
          for (int64_t p = begin; p < end; ++p) {
            const int64_t offset = (n * s.out_h + p) * s.out_w * s.out_c + column;
            multiply({.m = s.out_w,
                      .n = std::min(columns, s.out_c - column),
                      .k = run,
                      .segments = s.kernel_h,
                      .a = in + (p - begin) * s.stride_h * strip.row_floats,
                      .a_row = s.stride_w * s.in_c,
                      .a_segment = s.dilation_h * strip.row_floats,
                      .b = packed->data() + column / width * panel,
                      .b_row = width,
                      .b_panel = panel,
                      .b_segment = run * width,
                      .c = y + offset,
                      .c_row = s.out_c,
                      .epilogue = epilogue.from(column, offset)});
          }
        if (moments == nullptr) return;
        PartMoments part(s.out_c, lanes, in + strip_floats);
        const int64_t row = s.out_w * s.out_c;
        part.add(y + (n * s.out_h + begin) * row, (end - begin) * row);
        part.store(index, **moments);
      },
      1);
}

void direct_backward_data(const ConvShape& s, const float* dy, const Tensor& weight, float* dx,
                          const float* addend) {
  const int64_t width = panel_width(), run = s.kernel_w * s.in_c, panel = s.out_c * width;
  const int64_t panels = ceil_div(run, width);
  // For each row of the window an out_c by run matrix.
  const auto packed =
      weight.derived<Workspace<float>>(kPackedForRowsTurned, [&, from = weight.data<float>()] {
        Workspace<float> made(s.kernel_h * panels * panel);
        for_each_chunk(s.kernel_h * panels, 1, [&, to = made.data()](int64_t i, int64_t, int64_t) {
          const int64_t row = i / panels, column = i % panels * width;
          pack_panel(from + row * run + column, s.depth(), false, s.out_c, std::min(width, run - column),
                     to + i * panel);
        });
        return made;
      });
  const Strip strip(s, 0, s.out_h);
  ThreadBuffers buffers(strip.floats());
  for_each_chunk(
      s.batch, 1,
      [&](int64_t n, int64_t, int64_t) {
        float* sums = buffers.own();
        std::fill_n(sums, strip.floats(), 0.0f);
        // Rows of the result overlap where windows do: a product adds its rows one after another. The weights
        // of a window's row stay in L1 for all of the image.
        for (int64_t r = 0; r < s.kernel_h; ++r)
          for (int64_t p = 0; p < s.out_h; ++p)
            multiply({.m = s.out_w,
                      .n = run,
                      .k = s.out_c,
                      .a = dy + (n * s.out_h + p) * s.out_w * s.out_c,
                      .a_row = s.out_c,
                      .b = packed->data() + r * panels * panel,
                      .b_row = width,
                      .b_panel = panel,
                      .c = sums + (p * s.stride_h + r * s.dilation_h) * strip.row_floats,
                      .c_row = s.stride_w * s.in_c,
                      .beta = 1.0f});
        for (int64_t h = 0; h < s.in_h; ++h) {
          const int64_t row = s.in_w * s.in_c, offset = (n * s.in_h + h) * row;
          // Rows below the last window's have no gradient.
          const float* from = sums + (h + s.pad_h) * strip.row_floats + s.pad_w * s.in_c;
          const bool reached = h + s.pad_h < strip.rows;
          for (int64_t i = 0; i < row; ++i)
            dx[offset + i] = (reached ? from[i] : 0.0f) + (addend != nullptr ? addend[offset + i] : 0.0f);
        }
      },
      1);
}

void direct_backward_weight(const ConvShape& s, const float* x, const float* dy, float* dweight) {
  const int64_t run = s.kernel_w * s.in_c, pixels = s.out_h * s.out_w, size = s.weights();
  const int64_t part = images_per_part(s), parts = std::max<int64_t>(ceil_div(s.batch, part), 1);
  const Strip strip(s, 0, s.out_h);
  // Gradients whose last vector would reach behind the tensor are read from a copy.
  const bool copies = s.out_c % (panel_width() / 2) != 0;
  ThreadBuffers buffers(strip.floats() + (copies ? pixels * s.out_c + panel_width() : 0));
  Workspace<float> partial(parts * size);
  float* sums = partial.data();
  std::fill_n(sums, parts * size, 0.0f);
  for_each_chunk(
      s.batch, part,
      [&](int64_t index, int64_t begin, int64_t end) {
        float* in = buffers.own();
        for (int64_t n = begin; n < end; ++n) {
          strip.copy_from(s, x + n * s.in_h * s.in_w * s.in_c, in);
          const float* gradient = dy + n * pixels * s.out_c;
          if (copies)
            gradient = std::copy_n(gradient, pixels * s.out_c, in + strip.floats()) - pixels * s.out_c;
          // The gradient's transpose: a row for each tap and input channel.
          for (int64_t r = 0; r < s.kernel_h; ++r)
            multiply({.m = run,
                      .n = s.out_c,
                      .k = s.out_w,
                      .segments = s.out_h,
                      .a = in + r * s.dilation_h * strip.row_floats,
                      .a_row = 1,
                      .a_depth = s.stride_w * s.in_c,
                      .a_segment = s.stride_h * strip.row_floats,
                      .b = gradient,
                      .b_row = s.out_c,
                      .b_panel = panel_width(),
                      .b_segment = s.out_w * s.out_c,
                      .c = sums + index * size + r * run * s.out_c,
                      .c_row = s.out_c,
                      .beta = 1.0f});
        }
      },
      1);
  if (parts > 1) sum_parts(sums, parts, size, sums);
  for (int64_t o = 0; o < s.out_c; ++o)
    for (int64_t i = 0; i < s.depth(); ++i) dweight[o * s.depth() + i] = sums[i * s.out_c + o];
}

}  // namespace espalier::cpu
