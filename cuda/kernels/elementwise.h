#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/options.h"

// core/backend.h says what each computes; here it is on pointers into device memory.
namespace espalier::cuda::kernels {

template <typename T>
cudaError_t fill(T* y, T value, int64_t count, cudaStream_t stream);
cudaError_t axpby(float alpha, const float* x, float beta, float* y, int64_t count, cudaStream_t stream);
cudaError_t unary(UnaryOp op, const float* x, float* y, int64_t count, cudaStream_t stream);
cudaError_t unary_backward(UnaryOp op, const float* y, const float* dy, float* dx, int64_t count,
                           cudaStream_t stream);
cudaError_t binary(BinaryOp op, const float* a, const float* b, float* y, int64_t count, cudaStream_t stream);
cudaError_t broadcast_scalar(const float* scalar, float factor, float* y, int64_t count, cudaStream_t stream);
// Keeps what draws at least threshold / 2^24.
cudaError_t dropout(const float* x, uint32_t threshold, float factor, RandomKey key, float* y, int64_t count,
                    cudaStream_t stream);

}  // namespace espalier::cuda::kernels
