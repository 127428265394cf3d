#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/options.h"

namespace espalier::cuda::kernels {

// REQUIRES: int counts the pixels of the batch; kernels divide their number, and 64 bits divide slowly.
struct PoolShape {
  int batch, in_h, in_w, out_h, out_w, channels;
  Pool2dOptions options;
};

cudaError_t pool2d(PoolOp op, const PoolShape& shape, const float* x, float* y, int32_t* indices,
                   cudaStream_t stream);
cudaError_t pool2d_backward(PoolOp op, const PoolShape& shape, const float* dy, const int32_t* indices,
                            float* dx, cudaStream_t stream);

}  // namespace espalier::cuda::kernels
