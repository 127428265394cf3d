#include "cuda/cuda_backend.h"
#include "cuda/status.h"

namespace espalier::cuda {
namespace {

// The factors are float32 in memory and rounded on the way.
cublasComputeType_t compute_type(Precision precision) {
  switch (precision) {
    case Precision::float32:
      return CUBLAS_COMPUTE_32F;
    case Precision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::float16:
      return CUBLAS_COMPUTE_32F_FAST_16F;
  }
  return CUBLAS_COMPUTE_32F;
}

}  // namespace

// cuBLAS counts by columns: what it takes for the transpose of C is our row-major C, so that C^T = op(B)^T
// op(A)^T asks for the operands in the other order and nothing else.
void CudaBackend::gemm(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options,
                       const Epilogue& following) {
  const int64_t rows = c.shape()[0], columns = c.shape()[1], depth = a.shape()[options.transpose_a ? 0 : 1];
  if (c.numel() == 0) return;
  if (depth == 0) {
    if (options.beta == 0.0)
      fill(c, 0.0);
    else
      axpby(options.beta, c, 0.0, c);
    if (!following.is_empty()) epilogue(c, following, c);
    return;
  }
  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const auto alpha = static_cast<float>(options.alpha), beta = static_cast<float>(options.beta);
  check_cublas(cublasGemmEx(cublas_, operation(options.transpose_b), operation(options.transpose_a),
                            to_int(columns, "gemm"), to_int(rows, "gemm"), to_int(depth, "gemm"), &alpha,
                            b.data<float>(), CUDA_R_32F, to_int(b.shape()[1], "gemm"), a.data<float>(),
                            CUDA_R_32F, to_int(a.shape()[1], "gemm"), &beta, c.data<float>(), CUDA_R_32F,
                            to_int(columns, "gemm"), compute_type(precision_), CUBLAS_GEMM_DEFAULT),
               "gemm");
  if (!following.is_empty()) epilogue(c, following, c);
}

}  // namespace espalier::cuda
