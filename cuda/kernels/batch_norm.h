#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace espalier::cuda::kernels {

// x is (rows, columns). Workspaces are in doubles.
int64_t batch_norm_workspace(int64_t rows, int64_t columns);

struct BatchNormArguments {
  const float *x, *scale, *shift;
  float *running_mean, *running_variance, *batch_mean, *batch_inverse_std, *y;
  int64_t rows, columns;
  double momentum, epsilon;
};
cudaError_t batch_norm(const BatchNormArguments& arguments, double* workspace, cudaStream_t stream);

struct BatchNormInferenceArguments {
  const float *x, *scale, *shift, *running_mean, *running_variance;
  float* y;
  int64_t rows, columns;
  float epsilon;
};
cudaError_t batch_norm_inference(const BatchNormInferenceArguments& arguments, cudaStream_t stream);

struct BatchNormBackwardArguments {
  const float *x, *scale, *batch_mean, *batch_inverse_std, *dy;
  float *dx, *dscale, *dshift;
  int64_t rows, columns;
};
cudaError_t batch_norm_backward(const BatchNormBackwardArguments& arguments, double* workspace,
                                cudaStream_t stream);

}  // namespace espalier::cuda::kernels
