#include <cmath>

#include "core/cpu/column_moments.h"
#include "core/cpu/columns.h"
#include "core/cpu/conv2d.h"
#include "core/cpu/cpu_backend.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

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

ColumnMoments moments_of(const float* x, int64_t size, const ColumnLanes& layout) {
  ColumnMoments moments(layout.columns, ceil_div(size, layout.chunk));
  ThreadBuffers lanes(PartMoments::floats(layout.width));
  for_each_chunk(size, layout.chunk, [&](int64_t i, int64_t begin, int64_t end) {
    PartMoments part(layout.columns, layout.width, lanes.own());
    part.add(x + begin, end - begin);
    part.store(i, moments);
  });
  return moments;
}

}  // namespace

void CpuBackend::batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                            Tensor& running_mean, Tensor& running_variance, Tensor& batch_mean,
                            Tensor& batch_inverse_std, Tensor& y, const BatchNormOptions& options) {
  const ColumnLanes layout(scale.numel());
  const int64_t size = x.numel(), width = layout.width;
  const float* from = x.data<float>();
  float* to = y.data<float>();
  // The convolution before may have gathered them.
  const auto moments = x.derived<ColumnMoments>(kMoments, [&] { return moments_of(from, size, layout); });
  Workspace<double> joined(2 * layout.columns);
  const double *means = joined.data(), *squares = means + layout.columns;
  const auto rows = static_cast<double>(moments->join(joined.data(), joined.data() + layout.columns));

  Workspace<float> coefficients(3 * width);
  float *mean = coefficients.data(), *factor = mean + width, *offset = factor + width;
  for (int64_t c = 0; c < scale.numel(); ++c) {
    const double inverse_std = 1.0 / std::sqrt(squares[c] / std::max(rows, 1.0) + options.epsilon);
    batch_mean.data<float>()[c] = static_cast<float>(means[c]);
    batch_inverse_std.data<float>()[c] = static_cast<float>(inverse_std);
    for (int64_t j = c; j < width; j += layout.columns) {
      mean[j] = static_cast<float>(means[c]);
      factor[j] = static_cast<float>(inverse_std) * scale.data<float>()[c];
      offset[j] = shift.data<float>()[c];
    }
    if (rows == 0) continue;
    const auto move = [&](float& running, double value) {
      running = static_cast<float>((1.0 - options.momentum) * static_cast<double>(running) +
                                   options.momentum * value);
    };
    move(running_mean.data<float>()[c], means[c]);
    move(running_variance.data<float>()[c], squares[c] / std::max(rows - 1.0, 1.0));
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
