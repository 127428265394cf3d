#include "core/backend.h"
#include "tests/cuda_emulator_test/cudnn_objects.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

Backend& reference() {
  return backend(Device::reference);
}

void check_convolution(const Shape& x_shape, const Shape& w_shape, const Conv2dOptions& options) {
  reset();
  {
    const Tensor x = draw(x_shape, 1), w = draw(w_shape, 2);
    const auto size = [](const Shape& shape, int axis) { return static_cast<int>(shape[axis]); };
    const CudnnHandle handle;
    const TensorShape x_descriptor(size(x_shape, 0), size(x_shape, 1), size(x_shape, 2), size(x_shape, 3));
    const FilterShape w_descriptor(size(w_shape, 0), size(w_shape, 1), size(w_shape, 2), size(w_shape, 3));
    const ConvolutionShape convolution(options);
    int n = 0, k = 0, p = 0, q = 0;
    REQUIRE(cudnnGetConvolution2dForwardOutputDim(convolution, x_descriptor, w_descriptor, &n, &k, &p, &q) ==
            CUDNN_STATUS_SUCCESS);
    const Shape y_shape{n, p, q, k};
    const TensorShape y_descriptor(n, p, q, k);
    Tensor y = result(y_shape), dx = result(x_shape), dw = result(w_shape);
    const Tensor dy = draw(y_shape, 3);
    reference().conv2d(x, w, y, options);
    reference().conv2d_backward_data(dy, w, dx, options);
    reference().conv2d_backward_weight(x, dy, dw, options);

    const auto dev_x = on_device(x), dev_w = on_device(w), dev_dy = on_device(dy);
    const auto out_y = on_device(y), out_dx = on_device(dx), out_dw = on_device(dw);
    size_t bytes = 0;
    REQUIRE(cudnnGetConvolutionForwardWorkspaceSize(
                handle, x_descriptor, w_descriptor, convolution, y_descriptor,
                CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, &bytes) == CUDNN_STATUS_SUCCESS);
    const DeviceArray<unsigned char> workspace(bytes);
    REQUIRE(cudnnConvolutionForward(handle, &kOne, x_descriptor, dev_x.data(), w_descriptor, dev_w.data(),
                                    convolution, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
                                    workspace.data(), bytes, &kZero, y_descriptor,
                                    out_y.data()) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnConvolutionBackwardData(handle, &kOne, w_descriptor, dev_w.data(), y_descriptor,
                                         dev_dy.data(), convolution, CUDNN_CONVOLUTION_BWD_DATA_ALGO_0,
                                         nullptr, 0, &kZero, x_descriptor,
                                         out_dx.data()) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnConvolutionBackwardFilter(handle, &kOne, x_descriptor, dev_x.data(), y_descriptor,
                                           dev_dy.data(), convolution, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0,
                                           nullptr, 0, &kZero, w_descriptor,
                                           out_dw.data()) == CUDNN_STATUS_SUCCESS);
    check_like(out_y, y);
    check_like(out_dx, dx);
    check_like(out_dw, dw);
    CHECK(all_faults().empty());
  }
  CHECK(to_string(live()) == "nothing");
}

TEST_CASE("Emulated convolutions and their gradients agree with the reference backend") {
  check_convolution({2, 7, 6, 3}, {4, 3, 3, 3}, {});
  check_convolution({2, 9, 8, 4}, {6, 3, 2, 2},
                    {.stride = {2, 1}, .padding = {1, 2}, .dilation = {2, 1}, .groups = 2});
  check_convolution({1, 5, 5, 3}, {3, 3, 3, 1}, {.padding = {1, 1}, .groups = 3});
}

TEST_CASE("Emulated pooling agrees with the reference backend") {
  for (const PoolOp op : {PoolOp::max, PoolOp::average})
    for (const bool include : {false, true}) {
      reset();
      const Pool2dOptions options{
          .kernel = {3, 2}, .stride = {2, 2}, .padding = {1, 0}, .count_include_pad = include};
      const Tensor x = draw({2, 7, 6, 3}, 1), dy = draw({2, 4, 3, 3}, 2);
      Tensor y = result({2, 4, 3, 3}), dx = result({2, 7, 6, 3});
      Tensor indices({2, 4, 3, 3}, DType::int32, Device::reference);
      reference().pool2d(op, x, y, indices, options);
      reference().pool2d_backward(op, dy, indices, dx, options);

      const CudnnHandle handle;
      const PoolingShape pooling;
      const auto average =
          include ? CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING : CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING;
      REQUIRE(cudnnSetPooling2dDescriptor(pooling, op == PoolOp::max ? CUDNN_POOLING_MAX : average,
                                          CUDNN_PROPAGATE_NAN, 3, 2, 1, 0, 2, 2) == CUDNN_STATUS_SUCCESS);
      const TensorShape x_shape(2, 7, 6, 3), y_shape(2, 4, 3, 3);
      const auto dev_x = on_device(x), dev_dy = on_device(dy);
      const DeviceArray<float> out_y(y.numel()), out_dx(x.numel());
      REQUIRE(cudnnPoolingForward(handle, pooling, &kOne, x_shape, dev_x.data(), &kZero, y_shape,
                                  out_y.data()) == CUDNN_STATUS_SUCCESS);
      REQUIRE(cudnnPoolingBackward(handle, pooling, &kOne, y_shape, out_y.data(), y_shape, dev_dy.data(),
                                   x_shape, dev_x.data(), &kZero, x_shape,
                                   out_dx.data()) == CUDNN_STATUS_SUCCESS);
      check_like(out_y, y);
      check_like(out_dx, dx);
      CHECK(all_faults().empty());
    }
}

TEST_CASE("Emulated batch normalisation agrees with the reference backend") {
  reset();
  const BatchNormOptions options{.momentum = 0.3, .epsilon = 1e-3};
  const Tensor x = draw({4, 3, 2, 5}, 1), scale = draw({5}, 2), shift = draw({5}, 3),
               dy = draw({4, 3, 2, 5}, 4);
  Tensor running_mean = draw({5}, 5), running_variance = result({5}), mean = result({5}),
         inverse = result({5});
  Tensor y = result({4, 3, 2, 5}), inferred = result({4, 3, 2, 5}), dx = result({4, 3, 2, 5});
  Tensor dscale = result({5}), dshift = result({5});
  const auto dev_mean = on_device(running_mean), dev_variance = on_device(running_variance);
  reference().batch_norm(x, scale, shift, {}, running_mean, running_variance, mean, inverse, y, options);
  Tensor factor = scale.clone(), offset = scale.clone(), none;
  reference().batch_norm_affine(scale, shift, running_mean, running_variance, factor, offset, options);
  reference().epilogue(x, {.factor = factor, .offset = offset}, inferred);
  reference().batch_norm_backward(x, scale, shift, mean, inverse, y, dy, dx, dscale, dshift, none, options);

  const CudnnHandle handle;
  const TensorShape shape(4, 3, 2, 5), channels;
  REQUIRE(cudnnDeriveBNTensorDescriptor(channels, shape, CUDNN_BATCHNORM_SPATIAL) == CUDNN_STATUS_SUCCESS);
  const auto dev_x = on_device(x), dev_scale = on_device(scale), dev_shift = on_device(shift),
             dev_dy = on_device(dy);
  const DeviceArray<float> out_y(120), out_inferred(120), out_dx(120), out_mean(5), out_inverse(5),
      out_dscale(5), out_dshift(5);
  REQUIRE(cudnnBatchNormalizationForwardTraining(
              handle, CUDNN_BATCHNORM_SPATIAL, &kOne, &kZero, shape, dev_x.data(), shape, out_y.data(),
              channels, dev_scale.data(), dev_shift.data(), 0.3, dev_mean.data(), dev_variance.data(), 1e-3,
              out_mean.data(), out_inverse.data()) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnBatchNormalizationForwardInference(handle, CUDNN_BATCHNORM_SPATIAL, &kOne, &kZero, shape,
                                                  dev_x.data(), shape, out_inferred.data(), channels,
                                                  dev_scale.data(), dev_shift.data(), dev_mean.data(),
                                                  dev_variance.data(), 1e-3) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnBatchNormalizationBackward(handle, CUDNN_BATCHNORM_SPATIAL, &kOne, &kZero, &kOne, &kZero,
                                          shape, dev_x.data(), shape, dev_dy.data(), shape, out_dx.data(),
                                          channels, dev_scale.data(), out_dscale.data(), out_dshift.data(),
                                          1e-3, out_mean.data(), out_inverse.data()) == CUDNN_STATUS_SUCCESS);
  check_like(out_y, y);
  check_like(dev_mean, running_mean);
  check_like(dev_variance, running_variance);
  check_like(out_mean, mean);
  check_like(out_inverse, inverse);
  check_like(out_inferred, inferred);
  check_like(out_dx, dx);
  check_like(out_dscale, dscale);
  check_like(out_dshift, dshift);
  CHECK(all_faults().empty());
}

TEST_CASE("Emulated softmax, activations and bias agree with the reference backend") {
  reset();
  const Tensor x = draw({6, 10}, 1), dy = draw({6, 10}, 2), bias = draw({10}, 3);
  const CudnnHandle handle;
  const TensorShape shape(6, 1, 1, 10), bias_shape(1, 1, 1, 10);
  const auto dev_x = on_device(x), dev_dy = on_device(dy), dev_bias = on_device(bias);
  const DeviceArray<float> out_y(60), out_dx(60);
  Tensor y = result({6, 10}), dx = result({6, 10});

  for (const bool log : {false, true}) {
    const auto algorithm = log ? CUDNN_SOFTMAX_LOG : CUDNN_SOFTMAX_ACCURATE;
    if (log) {
      reference().log_softmax(x, y);
      reference().log_softmax_backward(y, dy, dx);
    } else {
      reference().softmax(x, y);
      reference().softmax_backward(y, dy, dx);
    }
    REQUIRE(cudnnSoftmaxForward(handle, algorithm, CUDNN_SOFTMAX_MODE_CHANNEL, &kOne, shape, dev_x.data(),
                                &kZero, shape, out_y.data()) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnSoftmaxBackward(handle, algorithm, CUDNN_SOFTMAX_MODE_CHANNEL, &kOne, shape, out_y.data(),
                                 shape, dev_dy.data(), &kZero, shape, out_dx.data()) == CUDNN_STATUS_SUCCESS);
    check_like(out_y, y);
    check_like(out_dx, dx);
  }

  const ActivationKind activation;
  for (const auto& [op, mode] : {std::pair{UnaryOp::relu, CUDNN_ACTIVATION_RELU},
                                 std::pair{UnaryOp::relu6, CUDNN_ACTIVATION_CLIPPED_RELU},
                                 std::pair{UnaryOp::sigmoid, CUDNN_ACTIVATION_SIGMOID},
                                 std::pair{UnaryOp::tanh, CUDNN_ACTIVATION_TANH}}) {
    REQUIRE(cudnnSetActivationDescriptor(activation, mode, CUDNN_PROPAGATE_NAN, 6.0) == CUDNN_STATUS_SUCCESS);
    reference().unary(op, x, y);
    reference().unary_backward(op, y, dy, dx);
    REQUIRE(cudnnActivationForward(handle, activation, &kOne, shape, dev_x.data(), &kZero, shape,
                                   out_y.data()) == CUDNN_STATUS_SUCCESS);
    REQUIRE(cudnnActivationBackward(handle, activation, &kOne, shape, out_y.data(), shape, dev_dy.data(),
                                    shape, dev_x.data(), &kZero, shape,
                                    out_dx.data()) == CUDNN_STATUS_SUCCESS);
    check_like(out_y, y);
    check_like(out_dx, dx);
  }

  reference().epilogue(x, {.offset = bias}, y);
  REQUIRE(cudnnAddTensor(handle, &kOne, bias_shape, dev_bias.data(), &kOne, shape, dev_x.data()) ==
          CUDNN_STATUS_SUCCESS);
  check_like(dev_x, y);
  CHECK(all_faults().empty());
}

}  // namespace
}  // namespace espalier::test
