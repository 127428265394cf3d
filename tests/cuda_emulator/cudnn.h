#pragma once

#include <cudnn.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/objects.h"
#include "tests/cuda_emulator/stream.h"

// What the emulated functions of cuDNN share: descriptors, how they are checked, how results are written.
// Arithmetic is in float64, element by element, through the strides; only float32 data is supported.
namespace espalier::cuda_emulator {

struct Cudnn {
  cudaStream_t stream = nullptr;
};

// A tensor's or a filter's: (n, c, h, w), for a filter n is its number of outputs.
struct Layout {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  cudnnTensorFormat_t format = CUDNN_TENSOR_NCHW;
  int n = 0, c = 0, h = 0, w = 0;  // all 0: not set
  int64_t stride_n = 0, stride_c = 0, stride_h = 0, stride_w = 0;

  static Layout packed(cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h, int w);
  int64_t at(int in, int ic, int ih, int iw) const {
    return in * stride_n + ic * stride_c + ih * stride_h + iw * stride_w;
  }
  int64_t extent() const { return at(n - 1, c - 1, h - 1, w - 1) + 1; }
  bool same_shape(const Layout& other) const {
    return n == other.n && c == other.c && h == other.h && w == other.w;
  }
};

struct Convolution {
  int padding_h = 0, padding_w = 0, stride_h = 0, stride_w = 0, dilation_h = 0, dilation_w = 0;
  cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
  int groups = 1;
};

struct Pooling {
  cudnnPoolingMode_t mode = CUDNN_POOLING_MAX;
  int window_h = 0, window_w = 0, padding_h = 0, padding_w = 0, stride_h = 0, stride_w = 0;
};

struct Activation {
  bool set = false;
  cudnnActivationMode_t mode = CUDNN_ACTIVATION_IDENTITY;
  double coefficient = 0;
};

// Live and set, or Misuse; `what` names the argument.
Cudnn& handle_at(cudnnHandle_t handle);
const Layout& tensor_at(cudnnTensorDescriptor_t descriptor, const char* what);
const Layout& filter_at(cudnnFilterDescriptor_t descriptor, const char* what);
const Convolution& convolution_at(cudnnConvolutionDescriptor_t descriptor);
const Pooling& pooling_at(cudnnPoolingDescriptor_t descriptor);
const Activation& activation_at(cudnnActivationDescriptor_t descriptor);

std::string to_string(const Layout& layout);  // "(8, 16, 28, 28)"
void require_same_shape(const Layout& actual, const char* what, const Layout& due, const char* like);
// float32 is supported; other types are Refusals.
void require_float(const Layout& layout);
const float* input(const void* data, const Layout& layout, const char* what);
float* output(void* data, const Layout& layout, const char* what);

// y = alpha * result + beta * y, where y is not read for beta = 0. The factors are read when the call is
// made.
struct Blend {
  double alpha, beta;
  Blend(const void* alpha_pointer, const void* beta_pointer);
  void operator()(float& y, double result) const {
    y = static_cast<float>(alpha * result + (beta == 0 ? 0.0 : beta * static_cast<double>(y)));
  }
};

template <typename Function>
void for_each_index(const Layout& layout, const Function& function) {
  for (int n = 0; n < layout.n; ++n)
    for (int h = 0; h < layout.h; ++h)
      for (int w = 0; w < layout.w; ++w)
        for (int c = 0; c < layout.c; ++c) function(n, c, h, w);
}

double activate(const Activation& activation, double x);

// Remembers the message of a Misuse for cudnnGetLastErrorString.
void remember_message(const std::string& message);

template <typename Body>
cudnnStatus_t cudnn_call(const char* function, Body&& body) {
  return call(function, CUDNN_STATUS_INTERNAL_ERROR, [&] {
    try {
      body();
    } catch (const Misuse& misuse) {
      remember_message(misuse.what());
      throw;
    }
  });
}

// In cudnn_handle.cpp and cudnn_descriptors.cpp.
size_t live_cudnn_handles();
size_t live_cudnn_descriptors();
void forget_cudnn();
void forget_cudnn_descriptors();

}  // namespace espalier::cuda_emulator
