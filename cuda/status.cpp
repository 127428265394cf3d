#include "cuda/status.h"

#include <limits>

#include "core/error.h"

namespace espalier::cuda {

void check_cuda(cudaError_t status, std::string_view operation) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that was reported is not reported again by the next launch
  fail("[{}] cuda: {} ({})", operation, cudaGetErrorString(status), cudaGetErrorName(status));
}

void check_cublas(cublasStatus_t status, std::string_view operation) {
  check(status == CUBLAS_STATUS_SUCCESS, "[{}] cublas: the call failed ({})", operation,
        cublasGetStatusString(status));
}

void check_cudnn(cudnnStatus_t status, std::string_view operation) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char reason[512] = "";
  cudnnGetLastErrorString(reason, sizeof reason);
  fail("[{}] cudnn: {} ({})", operation, reason[0] == '\0' ? "the call failed" : reason,
       cudnnGetErrorString(status));
}

int to_int(int64_t extent, std::string_view operation) {
  check(extent <= std::numeric_limits<int>::max(), "[{}] an extent of {} came; CUDA counts up to {}",
        operation, extent, std::numeric_limits<int>::max());
  return static_cast<int>(extent);
}

}  // namespace espalier::cuda
