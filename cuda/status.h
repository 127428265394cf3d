#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include <string_view>

namespace espalier::cuda {

// Each throws Error unless the status is success: "[conv2d] cudnn: ... (CUDNN_STATUS_NOT_SUPPORTED)".
void check_cuda(cudaError_t status, std::string_view operation);
void check_cublas(cublasStatus_t status, std::string_view operation);
void check_cudnn(cudnnStatus_t status, std::string_view operation);

// An extent as the int that cuBLAS, cuDNN and the kernels of windows count in. Throws Error when it is
// larger.
int to_int(int64_t extent, std::string_view operation);

}  // namespace espalier::cuda
