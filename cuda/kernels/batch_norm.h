#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/options.h"

namespace espalier::cuda::kernels {

// x is (rows, columns). Workspaces are in doubles.
int64_t batch_norm_workspace(int64_t rows, int64_t columns);

struct BatchNormArguments {
  const float *x, *scale, *shift;
  const float* residual;  // or null
  float *running_mean, *running_variance, *batch_mean, *batch_inverse_std, *y;
  int64_t rows, columns;
  double momentum, epsilon;
  Clamp clamp;
};
cudaError_t batch_norm(const BatchNormArguments& arguments, double* workspace, cudaStream_t stream);

struct BatchNormAffineArguments {
  const float *scale, *shift, *running_mean, *running_variance;
  float *factor, *offset;
  int64_t columns;
  float epsilon;
};
cudaError_t batch_norm_affine(const BatchNormAffineArguments& arguments, cudaStream_t stream);

struct BatchNormBackwardArguments {
  const float *x, *scale, *batch_mean, *batch_inverse_std, *dy;
  float *dx, *dscale, *dshift;
  int64_t rows, columns;
};
cudaError_t batch_norm_backward(const BatchNormBackwardArguments& arguments, double* workspace,
                                cudaStream_t stream);

}  // namespace espalier::cuda::kernels
