#include <cmath>

#include "core/cpu/columns.h"
#include "core/cpu/cpu_backend.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

// lanes[j] += (x - mean)^2, the mean given by lane.
ESPALIER_VECTORISED void add_squares(const float* x, int64_t count, int64_t width, const float* mean,
                                     float* lanes) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) lanes[j] += (x[row + j] - mean[j]) * (x[row + j] - mean[j]);
  }
}

ESPALIER_VECTORISED void normalise(const float* x, int64_t count, int64_t width, const float* mean,
                                   const float* factor, const float* shift, float* y) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) y[row + j] = (x[row + j] - mean[j]) * factor[j] + shift[j];
  }
}

ESPALIER_VECTORISED void add_products(const float* x, const float* dy, int64_t count, int64_t width,
                                      const float* mean, float* sums, float* products) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) {
      sums[j] += dy[row + j];
      products[j] += dy[row + j] * (x[row + j] - mean[j]);
    }
  }
}

// dx = (dy - shift) factor - (x - mean) slope.
ESPALIER_VECTORISED void input_gradient(const float* x, const float* dy, int64_t count, int64_t width,
                                        const float* mean, const float* factor, const float* shift,
                                        const float* slope, float* dx) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j)
      dx[row + j] = (dy[row + j] - shift[j]) * factor[j] - (x[row + j] - mean[j]) * slope[j];
  }
}

// Count, mean and sum of squared deviations of one column.
struct Moments {
  double count = 0, mean = 0, squares = 0;
};

// Chan, Golub & LeVeque 1979: joins the moments of two disjoint samples.
Moments join(const Moments& a, const Moments& b) {
  const double count = a.count + b.count, difference = b.mean - a.mean;
  return {count, a.mean + difference * b.count / count,
          a.squares + b.squares + difference * difference * a.count * b.count / count};
}

// The mean and squared deviations of a chunk's columns, about the chunk's own mean: two passes over memory in
// L2. `mean` and `squares` are lanes; after the call mean[c] is column c's and the squares' lanes are to be
// added up.
void chunk_moments(const float* x, int64_t count, const ColumnLanes& layout, float* mean, float* squares) {
  std::fill(mean, mean + layout.width, 0.0f);
  std::fill(squares, squares + layout.width, 0.0f);
  add_to_lanes(x, count, layout.width, mean);
  const auto rows = static_cast<double>(count / layout.columns);
  for (int64_t c = 0; c < layout.columns; ++c) {
    double total = 0;
    for (int64_t j = c; j < layout.width; j += layout.columns) total += static_cast<double>(mean[j]);
    for (int64_t j = c; j < layout.width; j += layout.columns) mean[j] = static_cast<float>(total / rows);
  }
  add_squares(x, count, layout.width, mean, squares);
}

}  // namespace

void CpuBackend::batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, Tensor& running_mean,
                            Tensor& running_variance, Tensor& batch_mean, Tensor& batch_inverse_std,
                            Tensor& y, const BatchNormOptions& options) {
  const ColumnLanes layout(scale.numel());
  const int64_t size = x.numel(), width = layout.width, chunks = ceil_div(size, layout.chunk);
  const float* from = x.data<float>();
  float* to = y.data<float>();
  Workspace<float> partial(chunks * 2 * width), coefficients(3 * width);
  float* parts = partial.data();
  for_each_chunk(size, layout.chunk, [=](int64_t i, int64_t begin, int64_t end) {
    chunk_moments(from + begin, end - begin, layout, parts + 2 * i * width, parts + (2 * i + 1) * width);
  });

  float *mean = coefficients.data(), *factor = mean + width, *offset = factor + width;
  for (int64_t c = 0; c < scale.numel(); ++c) {
    Moments total;
    for (int64_t i = 0; i < chunks; ++i) {
      const float *means = parts + 2 * i * width, *squares = means + width;
      double sum = 0;
      for (int64_t j = c; j < width; j += layout.columns) sum += static_cast<double>(squares[j]);
      const int64_t rows = (std::min(size, (i + 1) * layout.chunk) - i * layout.chunk) / layout.columns;
      total = join(total, {static_cast<double>(rows), static_cast<double>(means[c]), sum});
    }
    const double variance = total.count > 0 ? total.squares / total.count : 0.0;
    const double inverse_std = 1.0 / std::sqrt(variance + options.epsilon);
    batch_mean.data<float>()[c] = static_cast<float>(total.mean);
    batch_inverse_std.data<float>()[c] = static_cast<float>(inverse_std);
    for (int64_t j = c; j < width; j += layout.columns) {
      mean[j] = static_cast<float>(total.mean);
      factor[j] = static_cast<float>(inverse_std) * scale.data<float>()[c];
      offset[j] = shift.data<float>()[c];
    }
    if (total.count == 0) continue;
    const auto move = [&](float& running, double value) {
      running = static_cast<float>((1.0 - options.momentum) * static_cast<double>(running) +
                                   options.momentum * value);
    };
    move(running_mean.data<float>()[c], total.mean);
    move(running_variance.data<float>()[c], total.squares / std::max(total.count - 1.0, 1.0));
  }
  for_each_chunk(size, layout.chunk, [=](int64_t, int64_t begin, int64_t end) {
    normalise(from + begin, end - begin, width, mean, factor, offset, to + begin);
  });
}

void CpuBackend::batch_norm_inference(const Tensor& x, const Tensor& scale, const Tensor& shift,
                                      const Tensor& running_mean, const Tensor& running_variance, Tensor& y,
                                      const BatchNormOptions& options) {
  const ColumnLanes layout(scale.numel());
  const int64_t width = layout.width;
  if (x.numel() == 0) return;
  Workspace<float> coefficients(3 * width);
  float *mean = coefficients.data(), *factor = mean + width, *offset = factor + width;
  for (int64_t j = 0; j < width; ++j) {
    const int64_t c = j % layout.columns;
    mean[j] = running_mean.data<float>()[c];
    factor[j] = scale.data<float>()[c] /
                std::sqrt(running_variance.data<float>()[c] + static_cast<float>(options.epsilon));
    offset[j] = shift.data<float>()[c];
  }
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for_each_chunk(x.numel(), layout.chunk, [=](int64_t, int64_t begin, int64_t end) {
    normalise(from + begin, end - begin, width, mean, factor, offset, to + begin);
  });
}

void CpuBackend::batch_norm_backward(const Tensor& x, const Tensor& scale, const Tensor& batch_mean,
                                     const Tensor& batch_inverse_std, const Tensor& dy, Tensor& dx,
                                     Tensor& dscale, Tensor& dshift) {
  const ColumnLanes layout(scale.numel());
  const int64_t size = x.numel(), width = layout.width, chunks = ceil_div(size, layout.chunk);
  const float *from = x.data<float>(), *gradient = dy.data<float>();
  float* to = dx.data<float>();
  Workspace<float> partial(chunks * 2 * width), coefficients(4 * width);
  float *parts = partial.data(), *mean = coefficients.data();
  float *factor = mean + width, *offset = factor + width, *slope = offset + width;
  if (scale.numel() == 0) return;
  layout.repeat(batch_mean.data<float>(), mean);
  for_each_chunk(size, layout.chunk, [=](int64_t i, int64_t begin, int64_t end) {
    float *sums = parts + 2 * i * width, *products = sums + width;
    std::fill(sums, products + width, 0.0f);
    add_products(from + begin, gradient + begin, end - begin, width, mean, sums, products);
  });

  const auto rows = static_cast<double>(std::max<int64_t>(size / layout.columns, 1));
  for (int64_t c = 0; c < scale.numel(); ++c) {
    double sum = 0, product = 0;
    for (int64_t i = 0; i < chunks; ++i)
      for (int64_t j = c; j < width; j += layout.columns) {
        sum += static_cast<double>(parts[2 * i * width + j]);
        product += static_cast<double>(parts[(2 * i + 1) * width + j]);
      }
    const auto inverse_std = static_cast<double>(batch_inverse_std.data<float>()[c]);
    const double weight = static_cast<double>(scale.data<float>()[c]) * inverse_std;
    dscale.data<float>()[c] = static_cast<float>(product * inverse_std);
    dshift.data<float>()[c] = static_cast<float>(sum);
    for (int64_t j = c; j < width; j += layout.columns) {
      factor[j] = static_cast<float>(weight);
      offset[j] = static_cast<float>(sum / rows);
      slope[j] = static_cast<float>(weight * inverse_std * inverse_std * product / rows);
    }
  }
  for_each_chunk(size, layout.chunk, [=](int64_t, int64_t begin, int64_t end) {
    input_gradient(from + begin, gradient + begin, end - begin, width, mean, factor, offset, slope,
                   to + begin);
  });
}

}  // namespace espalier::cpu
