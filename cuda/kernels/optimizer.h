#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace espalier::cuda::kernels {

// Each update reads and writes everything once. `mask` may be null.
struct SgdArguments {
  float *weight, *momentum;  // `momentum` may be null
  const float* gradient;
  const uint8_t* mask;
  float rate, inertia, decay;
  bool nesterov;
};
cudaError_t sgd_step(const SgdArguments& arguments, int64_t count, cudaStream_t stream);

struct AdamArguments {
  float *weight, *first, *second;
  const float* gradient;
  const uint8_t* mask;
  float rate, beta1, beta2, epsilon, correction, decay, keep;
};
cudaError_t adam_step(const AdamArguments& arguments, int64_t count, cudaStream_t stream);

cudaError_t apply_mask(float* weight, const uint8_t* mask, int64_t count, cudaStream_t stream);

}  // namespace espalier::cuda::kernels
