#include "cuda/kernels/batch_norm.h"

#include "cuda/kernels/column_sums.h"

namespace espalier::cuda::kernels {
namespace {

// A float's square is exact in double, so the sums of x and x^2 in one pass lose nothing that matters to
// float32 even where the mean is far from zero.
struct Moments {
  const float* x;
  __device__ void operator()(int64_t i, int64_t, double (&sums)[2]) const {
    const auto value = static_cast<double>(x[i]);
    sums[0] += value;
    sums[1] += value * value;
  }
};

struct Statistics {
  BatchNormArguments a;
  const double* parts;
  int64_t count;

  __device__ void operator()(int64_t c) const {
    const auto rows = static_cast<double>(a.rows);
    double mean = 0, squares = 0;  // squares: sum of (x - mean)^2
    if (a.rows > 0) {
      mean = add_parts<2>(parts, count, a.columns, c, 0) / rows;
      squares = fmax(add_parts<2>(parts, count, a.columns, c, 1) - rows * mean * mean, 0.0);
    }
    a.batch_mean[c] = static_cast<float>(mean);
    a.batch_inverse_std[c] = static_cast<float>(1.0 / sqrt(squares / fmax(rows, 1.0) + a.epsilon));
    if (a.rows == 0) return;
    move(a.running_mean[c], mean);
    move(a.running_variance[c], squares / fmax(rows - 1.0, 1.0));
  }
  __device__ void move(float& running, double value) const {
    running = static_cast<float>((1.0 - a.momentum) * static_cast<double>(running) + a.momentum * value);
  }
};

struct Normalise {
  BatchNormArguments a;
  __device__ void operator()(int64_t r, int64_t c) const {
    const int64_t i = r * a.columns + c;
    float value = (a.x[i] - a.batch_mean[c]) * (a.batch_inverse_std[c] * a.scale[c]) + a.shift[c];
    if (a.residual != nullptr) value += a.residual[i];
    // So that NaN passes.
    if (value < a.clamp.lowest) value = a.clamp.lowest;
    if (value > a.clamp.highest) value = a.clamp.highest;
    a.y[i] = value;
  }
};

struct Affine {
  BatchNormAffineArguments a;
  __device__ void operator()(int64_t c) const {
    const float factor = a.scale[c] / sqrtf(a.running_variance[c] + a.epsilon);
    a.factor[c] = factor;
    a.offset[c] = a.shift[c] - a.running_mean[c] * factor;
  }
};

struct GradientSums {
  BatchNormBackwardArguments a;
  __device__ void operator()(int64_t i, int64_t c, double (&sums)[2]) const {
    const auto gradient = static_cast<double>(a.dy[i]);
    sums[0] += gradient;
    sums[1] += gradient * (static_cast<double>(a.x[i]) - static_cast<double>(a.batch_mean[c]));
  }
};

// dx = factor (dy - offset - slope (x - mean)), with one of each per column.
struct Coefficients {
  float *factor, *offset, *slope;
};

struct ScaleGradients {
  BatchNormBackwardArguments a;
  const double* parts;
  int64_t count;
  Coefficients to;

  __device__ void operator()(int64_t c) const {
    const double sum = add_parts<2>(parts, count, a.columns, c, 0);
    const double product = add_parts<2>(parts, count, a.columns, c, 1);
    const auto inverse_std = static_cast<double>(a.batch_inverse_std[c]);
    const auto rows = static_cast<double>(a.rows);
    a.dscale[c] = static_cast<float>(product * inverse_std);
    a.dshift[c] = static_cast<float>(sum);
    to.factor[c] = static_cast<float>(static_cast<double>(a.scale[c]) * inverse_std);
    to.offset[c] = static_cast<float>(sum / rows);
    to.slope[c] = static_cast<float>(product * inverse_std * inverse_std / rows);
  }
};

struct InputGradient {
  BatchNormBackwardArguments a;
  Coefficients from;
  __device__ void operator()(int64_t r, int64_t c) const {
    const int64_t i = r * a.columns + c;
    a.dx[i] = from.factor[c] * (a.dy[i] - from.offset[c] - from.slope[c] * (a.x[i] - a.batch_mean[c]));
  }
};

}  // namespace

int64_t batch_norm_workspace(int64_t rows, int64_t columns) {
  // The parts of two sums, and three floats per column.
  return (column_sum_parts(rows, columns) + 1) * 2 * columns;
}

cudaError_t batch_norm(const BatchNormArguments& a, double* workspace, cudaStream_t stream) {
  cudaError_t status = column_sums<2>(a.rows, a.columns, stream, workspace, Moments{a.x});
  if (status == cudaSuccess)
    status = for_each(a.columns, stream, Statistics{a, workspace, column_sum_parts(a.rows, a.columns)});
  if (status == cudaSuccess) status = for_each_in_columns(a.rows, a.columns, stream, Normalise{a});
  return status;
}

cudaError_t batch_norm_affine(const BatchNormAffineArguments& a, cudaStream_t stream) {
  return for_each(a.columns, stream, Affine{a});
}

cudaError_t batch_norm_backward(const BatchNormBackwardArguments& a, double* workspace, cudaStream_t stream) {
  const int64_t parts = column_sum_parts(a.rows, a.columns);
  auto* floats = reinterpret_cast<float*>(workspace + parts * 2 * a.columns);
  const Coefficients coefficients{floats, floats + a.columns, floats + 2 * a.columns};
  cudaError_t status = column_sums<2>(a.rows, a.columns, stream, workspace, GradientSums{a});
  if (status == cudaSuccess)
    status = for_each(a.columns, stream, ScaleGradients{a, workspace, parts, coefficients});
  if (status == cudaSuccess)
    status = for_each_in_columns(a.rows, a.columns, stream, InputGradient{a, coefficients});
  return status;
}

}  // namespace espalier::cuda::kernels
