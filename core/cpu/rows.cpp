#include <cstring>

#include "core/cpu/columns.h"
#include "core/cpu/cpu_backend.h"
#include "core/cpu/epilogue.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

// Comparisons are written so that NaN passes.
ESPALIER_VECTORISED void follow(const float* z, int64_t count, int64_t width, const float* factor,
                                const float* offset, Clamp clamp, float* y) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) {
      float value = z[row + j] * factor[j] + offset[j];
      value = value < clamp.lowest ? clamp.lowest : value;
      y[row + j] = value > clamp.highest ? clamp.highest : value;
    }
  }
}

ESPALIER_VECTORISED void follow_and_add(const float* z, const float* residual, int64_t count, int64_t width,
                                        const float* factor, const float* offset, Clamp clamp, float* y) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) {
      float value = z[row + j] * factor[j] + offset[j] + residual[row + j];
      value = value < clamp.lowest ? clamp.lowest : value;
      y[row + j] = value > clamp.highest ? clamp.highest : value;
    }
  }
}

ESPALIER_VECTORISED double sum_chunk(const float* x, int64_t count) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; ++i) total += static_cast<double>(x[i]);
  return total;
}

// Adds the matrix's `count` elements, which begin a row, to the lanes.
ESPALIER_VECTORISED void add_to_lanes(const float* x, int64_t count, int64_t width, float* lanes) {
  int64_t row = 0;
  for (; row + 4 * width <= count; row += 4 * width) {
    const float *x0 = x + row, *x1 = x0 + width, *x2 = x1 + width, *x3 = x2 + width;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) lanes[j] += (x0[j] + x1[j]) + (x2[j] + x3[j]);
  }
  for (; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) lanes[j] += x[row + j];
  }
}

}  // namespace

void CpuBackend::epilogue(const Tensor& z, const Epilogue& epilogue, Tensor& y) {
  if (y.numel() == 0) return;
  const ColumnLanes layout(y.shape().columns());
  const EpilogueView view = view_of(epilogue);
  const Clamp clamp{view.lowest, view.highest};
  Workspace<float> lanes(2 * layout.width);
  float *factor = lanes.data(), *offset = factor + layout.width;
  const auto repeat = [&](const float* values, float otherwise, float* to) {
    if (values != nullptr)
      layout.repeat(values, to);
    else
      std::fill_n(to, layout.width, otherwise);
  };
  repeat(view.factor, 1.0f, factor);
  repeat(view.offset, 0.0f, offset);
  const float* from = z.data<float>();
  float* to = y.data<float>();
  for_each_chunk(y.numel(), layout.chunk, [=](int64_t, int64_t begin, int64_t end) {
    if (view.residual != nullptr)
      follow_and_add(from + begin, view.residual + begin, end - begin, layout.width, factor, offset, clamp,
                     to + begin);
    else
      follow(from + begin, end - begin, layout.width, factor, offset, clamp, to + begin);
  });
}

void CpuBackend::sum_rows(const Tensor& x, Tensor& y) {
  const ColumnLanes layout(y.numel());
  const int64_t chunks = ceil_div(x.numel(), layout.chunk);
  Workspace<float> partial(chunks * layout.width);
  const float* from = x.data<float>();
  float* lanes = partial.data();
  for_each_chunk(x.numel(), layout.chunk, [=](int64_t i, int64_t begin, int64_t end) {
    float* own = lanes + i * layout.width;
    std::fill(own, own + layout.width, 0.0f);
    add_to_lanes(from + begin, end - begin, layout.width, own);
  });
  for (int64_t c = 0; c < y.numel(); ++c) {
    double total = 0;
    for (int64_t j = c; j < chunks * layout.width; j += layout.columns)
      total += static_cast<double>(lanes[j]);
    y.data<float>()[c] = static_cast<float>(total);
  }
}

void CpuBackend::sum(const Tensor& x, Tensor& y) {
  Workspace<double> partial(ceil_div(x.numel(), kChunk));
  const float* from = x.data<float>();
  double *sums = partial.data(), total = 0;
  for_each_chunk(x.numel(), kChunk, [=](int64_t i, int64_t begin, int64_t end) {
    sums[i] = sum_chunk(from + begin, end - begin);
  });
  for (int64_t i = 0; i < ceil_div(x.numel(), kChunk); ++i) total += sums[i];
  y.data<float>()[0] = static_cast<float>(total);
}

void CpuBackend::copy_columns(const Tensor& x, int64_t x_offset, Tensor& y, int64_t y_offset, int64_t count) {
  if (count == 0) return;
  const int64_t from_columns = x.shape().columns(), to_columns = y.shape().columns();
  const float* from = x.data<float>() + x_offset;
  float* to = y.data<float>() + y_offset;
  for_each_chunk(x.shape().rows(), std::max<int64_t>(1, kChunk / count),
                 [=](int64_t, int64_t begin, int64_t end) {
                   for (int64_t r = begin; r < end; ++r)
                     std::memcpy(to + r * to_columns, from + r * from_columns,
                                 static_cast<size_t>(count) * sizeof(float));
                 });
}

}  // namespace espalier::cpu
