#include <array>
#include <cmath>

#include "core/backend.h"
#include "tests/cuda_emulator_test/cudnn_objects.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

// A convolution that is right, for tests that spoil one thing of it.
struct Convolution {
  CudnnHandle handle;
  TensorShape x_shape{2, 6, 6, 3}, y_shape{2, 4, 4, 5};
  FilterShape w_shape{5, 3, 3, 3};
  ConvolutionShape convolution;
  DeviceArray<float> x{std::vector<float>(216)}, w{std::vector<float>(135)}, y{160};

  cudnnStatus_t operator()(cudnnConvolutionFwdAlgo_t algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
                           void* workspace = nullptr, size_t bytes = 0) const {
    return with(x.data(), y_shape, algorithm, workspace, bytes);
  }
  cudnnStatus_t with(const float* x_data, cudnnTensorDescriptor_t y_descriptor,
                     cudnnConvolutionFwdAlgo_t algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
                     void* workspace = nullptr, size_t bytes = 0) const {
    return cudnnConvolutionForward(handle, &kOne, x_shape, x_data, w_shape, w.data(), convolution, algorithm,
                                   workspace, bytes, &kZero, y_descriptor, y.data());
  }
};

TEST_CASE("A descriptor that contradicts the others, was never set or is gone is reported") {
  reset();
  const Convolution convolution;
  CHECK(convolution() == CUDNN_STATUS_SUCCESS);
  CHECK(all_faults().empty());

  const TensorShape wrong(2, 4, 5, 5), unset;
  CHECK(convolution.with(convolution.x.data(), wrong) == CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
  CHECK_FAULT("[cudnnConvolutionForward] y is (2, 5, 4, 5); (2, 5, 4, 4) like the output of x and w was due");
  char message[256];
  cudnnGetLastErrorString(message, sizeof(message));
  CHECK(std::string(message).find("was due") != std::string::npos);

  CHECK(convolution.with(convolution.x.data(), unset) == CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED);
  CHECK_FAULT("the descriptor of y was never set");

  cudnnTensorDescriptor_t gone = nullptr;
  {
    const TensorShape short_lived(2, 4, 4, 5);
    gone = short_lived;
  }
  CHECK(convolution.with(convolution.x.data(), gone) == CUDNN_STATUS_BAD_PARAM);
  CHECK_FAULT("was never created, or is destroyed already");
}

TEST_CASE("A pointer to too little memory, to the host or out of line is reported") {
  reset();
  const Convolution convolution;
  const DeviceArray<float> small(215);
  CHECK(convolution.with(small.data(), convolution.y_shape) == CUDNN_STATUS_BAD_PARAM);
  CHECK_FAULT("x needs 864 bytes from byte 0 of 860 bytes of device memory");
  const std::vector<float> host(216);
  CHECK(convolution.with(host.data(), convolution.y_shape) == CUDNN_STATUS_BAD_PARAM);
  CHECK_FAULT("x is host memory");
  const DeviceArray<unsigned char> bytes(866);
  const auto* shifted = reinterpret_cast<const float*>(bytes.data() + 2);
  CHECK(convolution.with(shifted, convolution.y_shape) == CUDNN_STATUS_BAD_PARAM);
  CHECK_FAULT("is not aligned to 4 bytes");
}

TEST_CASE("A workspace smaller than was asked for is reported") {
  reset();
  const Convolution convolution;
  const auto algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
  size_t bytes = 0;
  REQUIRE(cudnnGetConvolutionForwardWorkspaceSize(
              convolution.handle, convolution.x_shape, convolution.w_shape, convolution.convolution,
              convolution.y_shape, algorithm, &bytes) == CUDNN_STATUS_SUCCESS);
  REQUIRE(bytes == 64);
  const DeviceArray<unsigned char> enough(bytes), small(bytes / 2);
  CHECK(convolution(algorithm, enough.data(), bytes) == CUDNN_STATUS_SUCCESS);
  CHECK(all_faults().empty());
  CHECK(convolution(algorithm, enough.data(), bytes - 1) == CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT);
  CHECK_FAULT("a workspace of 63 bytes; algorithm 1 needs 64");
  CHECK(convolution(algorithm, small.data(), bytes) == CUDNN_STATUS_BAD_PARAM);
  CHECK_FAULT("the workspace needs 64 bytes from byte 0 of 32 bytes of device memory");
}

TEST_CASE("A search lists what fits the workspace, and leaves its output overwritten") {
  reset();
  const Convolution convolution;
  std::array<cudnnConvolutionBwdFilterAlgoPerf_t, 3> table;
  int returned = 0;
  const auto search = [&](void* workspace, size_t bytes) {
    return cudnnFindConvolutionBackwardFilterAlgorithmEx(
        convolution.handle, convolution.x_shape, convolution.x.data(), convolution.y_shape,
        convolution.y.data(), convolution.convolution, convolution.w_shape, convolution.w.data(), 3,
        &returned, table.data(), workspace, bytes);
  };
  REQUIRE(search(nullptr, 0) == CUDNN_STATUS_SUCCESS);
  CHECK(returned == 3);
  CHECK(table[0].algo == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0);
  CHECK(table[0].determinism == CUDNN_NON_DETERMINISTIC);
  CHECK(table[1].status == CUDNN_STATUS_ALLOC_FAILED);
  CHECK(std::isnan(convolution.w.to_host()[134]));

  const DeviceArray<unsigned char> workspace(2000);
  REQUIRE(search(workspace.data(), 2000) == CUDNN_STATUS_SUCCESS);
  CHECK(table[0].algo == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3);
  CHECK(table[1].algo == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1);
  CHECK(table[1].determinism == CUDNN_DETERMINISTIC);
  CHECK(convolution(CUDNN_CONVOLUTION_FWD_ALGO_FFT) == CUDNN_STATUS_NOT_SUPPORTED);
  CHECK(all_faults().empty());
}

TEST_CASE("Handles and descriptors that are not destroyed are counted") {
  reset();
  cudnnHandle_t handle = nullptr;
  cudnnFilterDescriptor_t filter = nullptr;
  REQUIRE(cudnnCreate(&handle) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnCreateFilterDescriptor(&filter) == CUDNN_STATUS_SUCCESS);
  CHECK(to_string(live()) == "1 library handle, 1 descriptor");
  cudnnDestroy(handle);
  cudnnDestroyFilterDescriptor(filter);
  CHECK(live() == Live{});
  CHECK(cudnnDestroy(handle) == CUDNN_STATUS_NOT_INITIALIZED);
  CHECK_FAULT("cuDNN handle");
}

}  // namespace
}  // namespace espalier::test
