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

// Coefficients by lane: normalised values are (x - mean) factor + offset.
struct Normalisation {
  const float *mean, *factor, *offset;
};

// Comparisons are written so that NaN passes.
ESPALIER_VECTORISED void normalise(const float* x, int64_t count, int64_t width, Normalisation by,
                                   Clamp clamp, float* y) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) {
      float value = (x[row + j] - by.mean[j]) * by.factor[j] + by.offset[j];
      value = value < clamp.lowest ? clamp.lowest : value;
      y[row + j] = value > clamp.highest ? clamp.highest : value;
    }
  }
}

ESPALIER_VECTORISED void normalise_and_add(const float* x, const float* residual, int64_t count,
                                           int64_t width, Normalisation by, Clamp clamp, float* y) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) {
      float value = (x[row + j] - by.mean[j]) * by.factor[j] + by.offset[j] + residual[row + j];
      value = value < clamp.lowest ? clamp.lowest : value;
      y[row + j] = value > clamp.highest ? clamp.highest : value;
    }
  }
}

// The gradient dz of the normalised values from that of the clamped ones, which `normalise` would compute
// anew from x: cheaper than reading them. dz may be dy.
ESPALIER_VECTORISED void pass_clamp(const float* x, const float* dy, int64_t count, int64_t width,
                                    Normalisation by, Clamp clamp, float* dz) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) {
      const float value = (x[row + j] - by.mean[j]) * by.factor[j] + by.offset[j];
      dz[row + j] = (value > clamp.lowest) & (value < clamp.highest) ? dy[row + j] : 0.0f;
    }
  }
}

// The same from the clamped values themselves.
ESPALIER_VECTORISED void mask_gradient(const float* y, const float* dy, int64_t count, Clamp clamp,
                                       float* dz) {
  for (int64_t i = 0; i < count; ++i) dz[i] = (y[i] > clamp.lowest) & (y[i] < clamp.highest) ? dy[i] : 0.0f;
}

ESPALIER_VECTORISED void add_products(const float* x, const float* dz, int64_t count, int64_t width,
                                      const float* mean, float* sums, float* products) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j) {
      sums[j] += dz[row + j];
      products[j] += dz[row + j] * (x[row + j] - mean[j]);
    }
  }
}

// dx = (dz - offset) factor - (x - mean) slope. dx may be dz.
ESPALIER_VECTORISED void input_gradient(const float* x, const float* dz, int64_t count, int64_t width,
                                        const float* mean, const float* factor, const float* offset,
                                        const float* slope, float* dx) {
  for (int64_t row = 0; row < count; row += width) {
    const int64_t length = std::min(width, count - row);
#pragma omp simd
    for (int64_t j = 0; j < length; ++j)
      dx[row + j] = (dz[row + j] - offset[j]) * factor[j] - (x[row + j] - mean[j]) * slope[j];
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

void CpuBackend::batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                            Tensor& running_mean, Tensor& running_variance, Tensor& batch_mean,
                            Tensor& batch_inverse_std, Tensor& y, const BatchNormOptions& options) {
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
  const float* addend = residual.defined() ? residual.data<float>() : nullptr;
  const Clamp clamp = clamp_of(options.activation);
  for_each_chunk(size, layout.chunk, [=](int64_t, int64_t begin, int64_t end) {
    const Normalisation by{mean, factor, offset};
    if (addend != nullptr)
      normalise_and_add(from + begin, addend + begin, end - begin, width, by, clamp, to + begin);
    else
      normalise(from + begin, end - begin, width, by, clamp, to + begin);
  });
}

void CpuBackend::batch_norm_affine(const Tensor& scale, const Tensor& shift, const Tensor& running_mean,
                                   const Tensor& running_variance, Tensor& factor, Tensor& offset,
                                   const BatchNormOptions& options) {
  for (int64_t c = 0; c < scale.numel(); ++c) {
    const float slope = scale.data<float>()[c] /
                        std::sqrt(running_variance.data<float>()[c] + static_cast<float>(options.epsilon));
    factor.data<float>()[c] = slope;
    offset.data<float>()[c] = shift.data<float>()[c] - running_mean.data<float>()[c] * slope;
  }
}

void CpuBackend::batch_norm_backward(const Tensor& x, const Tensor& scale, const Tensor& shift,
                                     const Tensor& batch_mean, const Tensor& batch_inverse_std,
                                     const Tensor& y, const Tensor& dy, Tensor& dx, Tensor& dscale,
                                     Tensor& dshift, Tensor& dresidual, const BatchNormOptions& options) {
  const ColumnLanes layout(scale.numel());
  const int64_t size = x.numel(), width = layout.width, chunks = ceil_div(size, layout.chunk);
  if (scale.numel() == 0) return;
  Workspace<float> partial(chunks * 2 * width), coefficients(6 * width);
  float *parts = partial.data(), *mean = coefficients.data();
  float *factor = mean + width, *offset = factor + width, *slope = offset + width;
  layout.repeat(batch_mean.data<float>(), mean);

  // dz, the gradient before the activation, goes to the residual's or, for the second pass to find, to dx;
  // without an activation it is dy.
  const float *from = x.data<float>(), *gradient = dy.data<float>();
  float *to = dx.data<float>(), *masked = dresidual.defined() ? dresidual.data<float>() : nullptr;
  Normalisation by{mean, slope + width, slope + 2 * width};
  if (options.activation && masked == nullptr) {
    masked = to;
    float *weight = slope + width, *bias = weight + width;
    for (int64_t j = 0; j < width; ++j) {
      const int64_t c = j % layout.columns;
      weight[j] = batch_inverse_std.data<float>()[c] * scale.data<float>()[c];
      bias[j] = shift.data<float>()[c];
    }
  }
  const float* dz = masked != nullptr ? masked : gradient;
  const float* output = y.data<float>();
  const Clamp clamp = clamp_of(options.activation);
  const bool clamps = options.activation.has_value(), added = dresidual.defined();
  for_each_chunk(size, layout.chunk, [=](int64_t i, int64_t begin, int64_t end) {
    float *sums = parts + 2 * i * width, *products = sums + width;
    std::fill(sums, products + width, 0.0f);
    if (clamps && added)
      mask_gradient(output + begin, gradient + begin, end - begin, clamp, masked + begin);
    else if (clamps)
      pass_clamp(from + begin, gradient + begin, end - begin, width, by, clamp, masked + begin);
    add_products(from + begin, dz + begin, end - begin, width, mean, sums, products);
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
    input_gradient(from + begin, dz + begin, end - begin, width, mean, factor, offset, slope, to + begin);
  });
}

}  // namespace espalier::cpu
