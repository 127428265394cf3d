#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace espalier::cuda::kernels {

// REQUIRES: int counts the pixels of the batch and the weights.
struct ConvShape {
  int batch, in_h, in_w, in_c, out_h, out_w, out_c, kernel_h, kernel_w;
  int stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
  bool operator==(const ConvShape&) const = default;
  auto operator<=>(const ConvShape&) const = default;
};

// Plain convolutions for what cuDNN has no deterministic algorithm for: a thread per element of the result.
cudaError_t conv2d(const ConvShape& shape, const float* x, const float* weight, float* y,
                   cudaStream_t stream);
cudaError_t conv2d_backward_data(const ConvShape& shape, const float* dy, const float* weight, float* dx,
                                 cudaStream_t stream);
// A block per weight.
cudaError_t conv2d_backward_weight(const ConvShape& shape, const float* x, const float* dy, float* dweight,
                                   cudaStream_t stream);

}  // namespace espalier::cuda::kernels
