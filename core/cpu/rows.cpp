#include <cstring>

#include "core/cpu/columns.h"
#include "core/cpu/cpu_backend.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

ESPALIER_VECTORISED void add_lanes(const float* x, const float* bias, float* y, int64_t count,
                                   int64_t width) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
    for (int64_t j = 0; j < length; ++j) y[row + j] = x[row + j] + bias[j];
  }
}

ESPALIER_VECTORISED double sum_chunk(const float* x, int64_t count) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; ++i) total += static_cast<double>(x[i]);
  return total;
}

}  // namespace

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

void CpuBackend::add_bias(const Tensor& x, const Tensor& bias, Tensor& y) {
  const ColumnLanes layout(bias.numel());
  Workspace<float> lanes(layout.width);
  const float *from = x.data<float>(), *repeated = lanes.data();
  float* to = y.data<float>();
  if (y.numel() == 0) return;
  layout.repeat(bias.data<float>(), lanes.data());
  for_each_chunk(y.numel(), layout.chunk, [=](int64_t, int64_t begin, int64_t end) {
    add_lanes(from + begin, repeated, to + begin, end - begin, layout.width);
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
