#pragma once

#include <cudnn.h>

#include "tests/cuda_emulator_test/device_array.h"
#include "tests/support/tensors.h"

namespace espalier::test {

// cuDNN's objects for a test's scope, NHWC and float32.
template <typename Handle, auto create, auto destroy>
struct CudnnObject {
  CudnnObject() { REQUIRE(create(&handle) == CUDNN_STATUS_SUCCESS); }
  ~CudnnObject() { destroy(handle); }
  CudnnObject(const CudnnObject&) = delete;
  CudnnObject& operator=(const CudnnObject&) = delete;
  operator Handle() const { return handle; }
  Handle handle = nullptr;
};

using CudnnHandle = CudnnObject<cudnnHandle_t, cudnnCreate, cudnnDestroy>;

struct TensorShape
    : CudnnObject<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor> {
  TensorShape() = default;
  TensorShape(int n, int h, int w, int c) {
    REQUIRE(cudnnSetTensor4dDescriptor(handle, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, n, c, h, w) ==
            CUDNN_STATUS_SUCCESS);
  }
};

struct FilterShape
    : CudnnObject<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor> {
  FilterShape(int k, int r, int s, int c) {
    REQUIRE(cudnnSetFilter4dDescriptor(handle, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, k, c, r, s) ==
            CUDNN_STATUS_SUCCESS);
  }
};

struct ConvolutionShape : CudnnObject<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor,
                                      cudnnDestroyConvolutionDescriptor> {
  explicit ConvolutionShape(const Conv2dOptions& options = {}) {
    REQUIRE(cudnnSetConvolution2dDescriptor(handle, options.padding[0], options.padding[1], options.stride[0],
                                            options.stride[1], options.dilation[0], options.dilation[1],
                                            CUDNN_CROSS_CORRELATION,
                                            CUDNN_DATA_FLOAT) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnSetConvolutionGroupCount(handle, options.groups) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnSetConvolutionMathType(handle, CUDNN_FMA_MATH) == CUDNN_STATUS_SUCCESS);
  }
};

using PoolingShape =
    CudnnObject<cudnnPoolingDescriptor_t, cudnnCreatePoolingDescriptor, cudnnDestroyPoolingDescriptor>;
using ActivationKind = CudnnObject<cudnnActivationDescriptor_t, cudnnCreateActivationDescriptor,
                                   cudnnDestroyActivationDescriptor>;

inline const float kOne = 1.0f, kZero = 0.0f;

inline DeviceArray<float> on_device(const Tensor& tensor) {
  return DeviceArray<float>(tensor.to_vector<float>());
}

// What the reference backend computes with, and its results.
inline Tensor draw(Shape shape, uint64_t seed) {
  return random_tensor(shape, seed, DType::float32, Device::reference);
}
inline Tensor result(Shape shape) {
  return Tensor::full(shape, 0.0, DType::float32, Device::reference);
}

inline void check_like(const DeviceArray<float>& actual, const Tensor& expected) {
  check_close(Tensor::from(actual.to_host(), expected.shape()), expected, 1e-5);
}

}  // namespace espalier::test
