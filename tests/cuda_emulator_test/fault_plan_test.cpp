#include <cublas_v2.h>
#include <cudnn.h>

#include "tests/cuda_emulator_test/device_array.h"
#include "tests/cuda_emulator_test/kernels.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

TEST_CASE("The nth call of a function fails as planned, does nothing, and is no fault") {
  reset();
  fail_call("cudaStreamCreateWithFlags", 2, cudaErrorNotSupported);
  cudaStream_t first = nullptr, second = nullptr, third = nullptr;
  CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking) == cudaErrorNotSupported);
  CHECK(second == nullptr);
  CHECK(cudaGetLastError() == cudaErrorNotSupported);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(cudaStreamCreateWithFlags(&third, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(live().streams == 2);
  CHECK(all_faults().empty());
  cudaStreamDestroy(first);
  cudaStreamDestroy(third);
}

TEST_CASE("The nth allocation finds no memory") {
  reset();
  void* pointer = nullptr;
  fail_allocation(2);
  CHECK(cudaMalloc(&pointer, 16) == cudaSuccess);
  CHECK(cudaFree(pointer) == cudaSuccess);
  CHECK(cudaMalloc(&pointer, 16) == cudaErrorMemoryAllocation);
  CHECK(cudaMalloc(&pointer, 16) == cudaSuccess);
  CHECK(cudaFree(pointer) == cudaSuccess);
}

TEST_CASE("A machine without a usable driver is a plan away") {
  reset();
  fail_call("cudaGetDeviceCount", 1, cudaErrorInsufficientDriver);
  fail_call("cudnnCreate", 1, CUDNN_STATUS_NOT_INITIALIZED);
  int count = -1;
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  CHECK(count == 0);
  cudnnHandle_t handle = nullptr;
  CHECK(cudnnCreate(&handle) == CUDNN_STATUS_NOT_INITIALIZED);
}

TEST_CASE("Every call in turn can fail, counted over all three libraries") {
  reset();
  const auto run = [] {
    const DeviceArray<float> values(std::vector<float>{1});
    cublasHandle_t cublas = nullptr;
    cudnnHandle_t cudnn = nullptr;
    const int failures =
        (cublasCreate(&cublas) != CUBLAS_STATUS_SUCCESS) + (cudnnCreate(&cudnn) != CUDNN_STATUS_SUCCESS) +
        (increment(values.data(), 1) != cudaSuccess) + (cudaDeviceSynchronize() != cudaSuccess);
    if (cublas) cublasDestroy(cublas);
    if (cudnn) cudnnDestroy(cudnn);
    return failures;
  };
  CHECK(run() == 0);
  CHECK(call_count() == 6);
  CHECK(call_count("cudaLaunchKernel") == 1);
  for (int nth = 3; nth <= 6; ++nth) {
    fail_any_call(nth);
    CHECK(run() == 1);
  }
  fail_any_call(1);
  clear_fault_plan();
  CHECK(run() == 0);
  CHECK(live() == Live{});
  CHECK(all_faults().empty());
}

}  // namespace
}  // namespace espalier::test
