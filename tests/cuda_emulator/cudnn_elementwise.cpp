#include <algorithm>
#include <cmath>

#include "tests/cuda_emulator/cudnn.h"

namespace espalier::cuda_emulator {

double activate(const Activation& activation, double x) {
  switch (activation.mode) {
    case CUDNN_ACTIVATION_SIGMOID:
      return 1 / (1 + std::exp(-x));
    case CUDNN_ACTIVATION_RELU:
      return x < 0 ? 0 : x;
    case CUDNN_ACTIVATION_TANH:
      return std::tanh(x);
    case CUDNN_ACTIVATION_CLIPPED_RELU:
      return x < 0 ? 0 : std::min(x, activation.coefficient);
    case CUDNN_ACTIVATION_IDENTITY:
      return x;
    default:
      throw Misuse(CUDNN_STATUS_NOT_SUPPORTED, "this activation is not emulated");
  }
}

namespace {

double slope(const Activation& activation, double x, double y) {
  switch (activation.mode) {
    case CUDNN_ACTIVATION_SIGMOID:
      return y * (1 - y);
    case CUDNN_ACTIVATION_RELU:
      return y > 0 ? 1 : 0;
    case CUDNN_ACTIVATION_TANH:
      return 1 - y * y;
    case CUDNN_ACTIVATION_CLIPPED_RELU:
      return x > 0 && x <= activation.coefficient ? 1 : 0;
    default:
      return 1;
  }
}

// cuDNN's own kernels take the identity only in fused convolutions.
const Activation& standalone(cudnnActivationDescriptor_t descriptor) {
  const Activation& activation = activation_at(descriptor);
  if (activation.mode > CUDNN_ACTIVATION_CLIPPED_RELU) throw Refusal{CUDNN_STATUS_NOT_SUPPORTED};
  return activation;
}

}  // namespace
}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cudnnStatus_t cudnnActivationForward(cudnnHandle_t handle, cudnnActivationDescriptor_t descriptor,
                                     const void* alpha, cudnnTensorDescriptor_t x_descriptor, const void* x,
                                     const void* beta, cudnnTensorDescriptor_t y_descriptor, void* y) {
  return cudnn_call("cudnnActivationForward", [&] {
    const Activation activation = standalone(descriptor);
    const Layout from = tensor_at(x_descriptor, "x"), to = tensor_at(y_descriptor, "y");
    require_same_shape(to, "y", from, "x");
    enqueue(handle_at(handle).stream, "cudnnActivationForward",
            [=, blend = Blend(alpha, beta), in = input(x, from, "x"), out = output(y, to, "y")] {
              for_each_index(to, [&](int n, int c, int h, int w) {
                blend(out[to.at(n, c, h, w)],
                      activate(activation, static_cast<double>(in[from.at(n, c, h, w)])));
              });
            });
  });
}

cudnnStatus_t cudnnActivationBackward(cudnnHandle_t handle, cudnnActivationDescriptor_t descriptor,
                                      const void* alpha, cudnnTensorDescriptor_t y_descriptor, const void* y,
                                      cudnnTensorDescriptor_t dy_descriptor, const void* dy,
                                      cudnnTensorDescriptor_t x_descriptor, const void* x, const void* beta,
                                      cudnnTensorDescriptor_t dx_descriptor, void* dx) {
  return cudnn_call("cudnnActivationBackward", [&] {
    const Activation activation = standalone(descriptor);
    const Layout from = tensor_at(x_descriptor, "x"), result = tensor_at(y_descriptor, "y"),
                 gradient = tensor_at(dy_descriptor, "dy"), to = tensor_at(dx_descriptor, "dx");
    require_same_shape(result, "y", from, "x");
    require_same_shape(gradient, "dy", from, "x");
    require_same_shape(to, "dx", from, "x");
    enqueue(handle_at(handle).stream, "cudnnActivationBackward",
            [=, blend = Blend(alpha, beta), in = input(x, from, "x"), out = input(y, result, "y"),
             given = input(dy, gradient, "dy"), back = output(dx, to, "dx")] {
              for_each_index(to, [&](int n, int c, int h, int w) {
                blend(back[to.at(n, c, h, w)],
                      static_cast<double>(given[gradient.at(n, c, h, w)]) *
                          slope(activation, static_cast<double>(in[from.at(n, c, h, w)]),
                                static_cast<double>(out[result.at(n, c, h, w)])));
              });
            });
  });
}

// C = alpha * A + beta * C, A repeated along its axes of size 1.
cudnnStatus_t cudnnAddTensor(cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t a_descriptor,
                             const void* a, const void* beta, cudnnTensorDescriptor_t c_descriptor,
                             void* result) {
  return cudnn_call("cudnnAddTensor", [&] {
    const Layout from = tensor_at(a_descriptor, "A"), to = tensor_at(c_descriptor, "C");
    const auto fits = [](int size, int whole) { return size == 1 || size == whole; };
    require(fits(from.n, to.n) && fits(from.c, to.c) && fits(from.h, to.h) && fits(from.w, to.w),
            CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "A is {}; 1 or C's size was due on every axis of {}",
            to_string(from), to_string(to));
    enqueue(handle_at(handle).stream, "cudnnAddTensor",
            [=, blend = Blend(alpha, beta), in = input(a, from, "A"), out = output(result, to, "C")] {
              for_each_index(to, [&](int n, int c, int h, int w) {
                const int64_t i = from.at(from.n == 1 ? 0 : n, from.c == 1 ? 0 : c, from.h == 1 ? 0 : h,
                                          from.w == 1 ? 0 : w);
                blend(out[to.at(n, c, h, w)], static_cast<double>(in[i]));
              });
            });
  });
}
