#include "cuda/kernels/conv2d.h"

#include "cuda/cuda_backend.h"
#include "cuda/status.h"

namespace espalier::cuda {
namespace {

kernels::ConvShape conv_shape(const Shape& x, const Shape& weight, const Shape& y,
                              const Conv2dOptions& options) {
  const auto extent = [](int64_t value) { return to_int(value, "conv2d"); };
  extent(x[0] * x[1] * x[2]);
  extent(y[0] * y[1] * y[2]);
  extent(weight.numel());
  return {.batch = extent(x[0]),
          .in_h = extent(x[1]),
          .in_w = extent(x[2]),
          .in_c = extent(x[3]),
          .out_h = extent(y[1]),
          .out_w = extent(y[2]),
          .out_c = extent(y[3]),
          .kernel_h = extent(weight[1]),
          .kernel_w = extent(weight[2]),
          .stride_h = options.stride[0],
          .stride_w = options.stride[1],
          .pad_h = options.padding[0],
          .pad_w = options.padding[1],
          .dilation_h = options.dilation[0],
          .dilation_w = options.dilation[1],
          .groups = options.groups};
}

}  // namespace

void CudaBackend::conv2d(const Tensor& x, const Tensor& weight, Tensor& y, const Conv2dOptions& options,
                         const Epilogue& following) {
  if (y.numel() == 0) return;
  const kernels::ConvShape shape = conv_shape(x.shape(), weight.shape(), y.shape(), options);
  const float *input = x.data<float>(), *kernel = weight.data<float>();
  float* output = y.data<float>();
  if (!convolutions_.run(ConvolutionPass::forward, precision_, shape, input, kernel, output))
    check_cuda(kernels::conv2d(shape, input, kernel, output, stream_), "conv2d");
  if (!following.is_empty()) epilogue(y, following, y);
}

void CudaBackend::conv2d_backward_data(const Tensor& dy, const Tensor& weight, Tensor& dx,
                                       const Conv2dOptions& options, const Tensor& addend) {
  if (dx.numel() == 0) return;
  const kernels::ConvShape shape = conv_shape(dx.shape(), weight.shape(), dy.shape(), options);
  const float *gradient = dy.data<float>(), *kernel = weight.data<float>();
  float* input_gradient = dx.data<float>();
  if (!convolutions_.run(ConvolutionPass::backward_data, precision_, shape, gradient, kernel, input_gradient))
    check_cuda(kernels::conv2d_backward_data(shape, gradient, kernel, input_gradient, stream_),
               "conv2d_backward_data");
  if (addend.defined()) binary(BinaryOp::add, dx, addend, dx);
}

void CudaBackend::conv2d_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight,
                                         const Conv2dOptions& options) {
  if (dy.numel() == 0) return fill(dweight, 0.0);
  const kernels::ConvShape shape = conv_shape(x.shape(), dweight.shape(), dy.shape(), options);
  const float *input = x.data<float>(), *gradient = dy.data<float>();
  float* kernel_gradient = dweight.data<float>();
  if (convolutions_.run(ConvolutionPass::backward_weight, precision_, shape, input, gradient,
                        kernel_gradient))
    return;
  check_cuda(kernels::conv2d_backward_weight(shape, input, gradient, kernel_gradient, stream_),
             "conv2d_backward_weight");
}

}  // namespace espalier::cuda
