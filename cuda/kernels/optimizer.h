#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/kernels/pieces.h"

namespace espalier::cuda::kernels {

// A step reads and writes everything once. `mask` may be null.
struct SgdRow {
  float *weight, *momentum;  // `momentum` is null where inertia is 0
  const float* gradient;
  const uint8_t* mask;
  float decay;
  int64_t end;
  bool operator==(const SgdRow&) const = default;
};
struct SgdStep {
  float rate, factor, inertia;
  bool nesterov;
};
cudaError_t sgd_step(const Pieces<SgdRow>& pieces, const SgdStep& step, cudaStream_t stream);

struct AdamRow {
  float *weight, *first, *second;
  const float* gradient;
  const uint8_t* mask;
  float decay, keep;
  int64_t end;
  bool operator==(const AdamRow&) const = default;
};
struct AdamStep {
  float rate, factor, beta1, beta2, epsilon, correction;
};
cudaError_t adam_step(const Pieces<AdamRow>& pieces, const AdamStep& step, cudaStream_t stream);

struct SquaresRow {
  const float* x;
  const uint8_t* mask;
  int64_t end;
  bool operator==(const SquaresRow&) const = default;
};
// `workspace`: sum_of_squares_workspace() doubles.
int64_t sum_of_squares_workspace(const Pieces<SquaresRow>& pieces);
cudaError_t sum_of_squares(const Pieces<SquaresRow>& pieces, float* y, double* workspace,
                           cudaStream_t stream);

cudaError_t apply_mask(float* weight, const uint8_t* mask, int64_t count, cudaStream_t stream);

}  // namespace espalier::cuda::kernels
