#include <cublas_v2.h>

#include "core/backend.h"
#include "tests/cuda_emulator_test/cudnn_objects.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

struct CublasHandle {
  CublasHandle() { REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS); }
  ~CublasHandle() { cublasDestroy(handle); }
  CublasHandle(const CublasHandle&) = delete;
  CublasHandle& operator=(const CublasHandle&) = delete;
  operator cublasHandle_t() const { return handle; }
  cublasHandle_t handle = nullptr;
};

cublasOperation_t operation(bool transpose) {
  return transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
}

TEST_CASE("The emulated product agrees with the reference backend") {
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true}) {
      reset();
      const Tensor a = draw(transpose_a ? Shape{4, 3} : Shape{3, 4}, 1);
      const Tensor b = draw(transpose_b ? Shape{5, 4} : Shape{4, 5}, 2);
      Tensor c = draw({3, 5}, 3);
      const CublasHandle handle;
      const auto dev_a = on_device(a), dev_b = on_device(b), dev_c = on_device(c), ex_c = on_device(c);
      const float alpha = 0.5f, beta = 2.0f;
      // Row-major C = A B is column-major C' = B' A'.
      REQUIRE(cublasSgemm(handle, operation(transpose_b), operation(transpose_a), 5, 3, 4, &alpha,
                          dev_b.data(), transpose_b ? 4 : 5, dev_a.data(), transpose_a ? 3 : 4, &beta,
                          dev_c.data(), 5) == CUBLAS_STATUS_SUCCESS);
      REQUIRE(cublasGemmEx(handle, operation(transpose_b), operation(transpose_a), 5, 3, 4, &alpha,
                           dev_b.data(), CUDA_R_32F, transpose_b ? 4 : 5, dev_a.data(), CUDA_R_32F,
                           transpose_a ? 3 : 4, &beta, ex_c.data(), CUDA_R_32F, 5, CUBLAS_COMPUTE_32F,
                           CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
      backend(Device::reference)
          .gemm(a, b, c, {.transpose_a = transpose_a, .transpose_b = transpose_b, .alpha = 0.5, .beta = 2.0});
      check_like(dev_c, c);
      check_like(ex_c, c);
      CHECK(all_faults().empty());
    }
}

TEST_CASE("A batch of products is each product, and beta 0 does not read what was there") {
  reset();
  const Tensor a = draw({2, 3, 4}, 1), b = draw({4, 5}, 2);
  const CublasHandle handle;
  const auto dev_a = on_device(a), dev_b = on_device(b);
  const DeviceArray<float> dev_c(30);
  REQUIRE(cublasSgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, 5, 3, 4, &kOne, dev_b.data(), 5, 0,
                                    dev_a.data(), 4, 12, &kZero, dev_c.data(), 5, 15,
                                    2) == CUBLAS_STATUS_SUCCESS);
  Tensor c = result({6, 5});
  backend(Device::reference).gemm(a.reshape({6, 4}), b, c, {});
  check_like(dev_c, c);
}

TEST_CASE("A matrix that reaches beyond its memory, or a dimension that is too small, is reported") {
  reset();
  const CublasHandle handle;
  const DeviceArray<float> a(12), b(20), c(15), small(14);
  const auto multiply = [&](int lda, float* out) {
    return cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 5, 3, 4, &kOne, b.data(), lda, a.data(), 4, &kZero,
                       out, 5);
  };
  CHECK(multiply(5, c.data()) == CUBLAS_STATUS_SUCCESS);
  CHECK(all_faults().empty());
  CHECK(multiply(4, c.data()) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK_FAULT("A has 5 rows and leading dimension 4; at least 5 was due");
  CHECK(multiply(5, small.data()) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK_FAULT("C needs 60 bytes from byte 0 of 56 bytes of device memory");
  CHECK(cublasSgemm(nullptr, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &kOne, b.data(), 1, a.data(), 1, &kZero,
                    c.data(), 1) == CUBLAS_STATUS_NOT_INITIALIZED);
  CHECK_FAULT("cuBLAS handle");
}

TEST_CASE("A product runs on its handle's stream") {
  reset();
  const CublasHandle handle;
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cublasSetStream(handle, stream) == CUBLAS_STATUS_SUCCESS);
  const DeviceArray<float> a(std::vector<float>{2}), b(std::vector<float>{3}), c(std::vector<float>{0});
  REQUIRE(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &kOne, a.data(), 1, b.data(), 1, &kZero,
                      c.data(), 1) == CUBLAS_STATUS_SUCCESS);
  CHECK(c.to_host()[0] == 0.0f);
  REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(c.to_host()[0] == 6.0f);
  cudaStreamDestroy(stream);
}

}  // namespace
}  // namespace espalier::test
