#include "core/cpu/conv2d.h"

#include <utility>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/gemm.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

void pointwise_forward(const ConvShape& s, const float* x, const Tensor& weight, float* y,
                       const EpilogueView& epilogue, OutputMoments* moments) {
  const MatrixView kernel{weight.data<float>(), s.in_c, true};
  const GemmProblem product{.m = s.pixels(),
                            .n = s.out_c,
                            .k = s.in_c,
                            .a = {x, s.in_c},
                            .b = kernel,
                            .c = y,
                            .c_stride = s.out_c,
                            .epilogue = epilogue};
  if (s.pixels() == 1) {  // reads the weights once, as they lie
    gemm_parallel(product);
    return;
  }
  const auto packed =
      weight.derived<PackedMatrix>(kPacked, [&] { return PackedMatrix(kernel, s.in_c, s.out_c); });
  gemm_parallel(product, packed.get(), moments);
}

// (out_c, R, S, in_c) to (in_c, R, S, out_c), turned by half a circle.
void turn_weights(const ConvShape& shape, const float* weight, float* turned) {
  const int64_t taps = shape.kernel_h * shape.kernel_w;
  for (int64_t i = 0; i < shape.in_c; ++i)
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t o = 0; o < shape.out_c; ++o)
        turned[(i * taps + tap) * shape.out_c + o] = weight[(o * taps + taps - 1 - tap) * shape.in_c + i];
}

}  // namespace

ConvShape::ConvShape(const Shape& x, const Shape& weight, const Shape& y, const Conv2dOptions& options)
    : batch(x[0]),
      in_h(x[1]),
      in_w(x[2]),
      in_c(x[3]),
      kernel_h(weight[1]),
      kernel_w(weight[2]),
      out_h(y[1]),
      out_w(y[2]),
      out_c(y[3]),
      stride_h(options.stride[0]),
      stride_w(options.stride[1]),
      pad_h(options.padding[0]),
      pad_w(options.padding[1]),
      dilation_h(options.dilation[0]),
      dilation_w(options.dilation[1]),
      groups(options.groups),
      group_in(weight[3]),
      group_out(out_c / options.groups) {}

bool ConvShape::is_pointwise() const {
  return kernel_h == 1 && kernel_w == 1 && stride_h == 1 && stride_w == 1 && pad_h == 0 && pad_w == 0 &&
         groups == 1;
}

bool ConvShape::turns() const {
  return stride_h == 1 && stride_w == 1 && (groups == 1 || is_depthwise()) &&
         pad_h <= dilation_h * (kernel_h - 1) && pad_w <= dilation_w * (kernel_w - 1) &&
         4 * in_h * in_w <= 5 * out_h * out_w;
}

ConvShape ConvShape::turned() const {
  ConvShape result = *this;
  std::swap(result.in_h, result.out_h);
  std::swap(result.in_w, result.out_w);
  std::swap(result.in_c, result.out_c);
  std::swap(result.group_in, result.group_out);
  result.pad_h = dilation_h * (kernel_h - 1) - pad_h;
  result.pad_w = dilation_w * (kernel_w - 1) - pad_w;
  return result;
}

void sum_parts(const float* partial, int64_t parts, int64_t size, float* to) {
  for_each_chunk(size, kChunk / 4, [=](int64_t, int64_t begin, int64_t end) {
    if (parts == 0)
      std::fill(to + begin, to + end, 0.0f);
    else if (to != partial)
      std::copy(partial + begin, partial + end, to + begin);
    for (int64_t part = 1; part < parts; ++part)
      for (int64_t i = begin; i < end; ++i) to[i] += partial[part * size + i];
  });
}

void CpuBackend::conv2d(const Tensor& x, const Tensor& weight, Tensor& y, const Conv2dOptions& options,
                        const Epilogue& following) {
  const ConvShape shape(x.shape(), weight.shape(), y.shape(), options);
  const float* input = x.data<float>();
  float* output = y.data<float>();
  const EpilogueView view = view_of(following);
  OutputMoments gathered, *moments = following.precedes_batch_norm ? &gathered : nullptr;
  if (shape.is_pointwise())
    pointwise_forward(shape, input, weight, output, view, moments);
  else if (winograd_pays(shape))
    winograd_forward(shape, input, weight, false, output, view, moments);
  else if (pixelwise_fits(shape))
    pixelwise_forward(shape, input, weight, output, view);
  else if (direct_fits(shape))
    direct_forward(shape, input, weight, output, view, moments);
  else if (shape.is_depthwise())
    depthwise_forward(shape, input, weight.data<float>(), output, view, moments);
  else
    im2col_forward(shape, input, weight, output, view);
  if (gathered) y.set_derived(kMoments, *std::move(gathered));
}

void CpuBackend::conv2d_backward_data(const Tensor& dy, const Tensor& weight, Tensor& dx,
                                      const Conv2dOptions& options, const Tensor& addend) {
  const ConvShape shape(dx.shape(), weight.shape(), dy.shape(), options);
  const float *gradient = dy.data<float>(), *kernel = weight.data<float>();
  float* input_gradient = dx.data<float>();
  const Epilogue sum{.residual = addend};
  const bool by_patches = direct_fits(shape) && rows_are_short(shape.kernel_h, shape.kernel_w * shape.in_c);
  if (shape.is_pointwise()) {
    gemm_parallel({.m = shape.pixels(),
                   .n = shape.in_c,
                   .k = shape.out_c,
                   .a = {gradient, shape.out_c},
                   .b = {kernel, shape.in_c},
                   .c = input_gradient,
                   .c_stride = shape.in_c,
                   .epilogue = view_of(sum)});
  } else if (shape.turns() && winograd_pays(shape.turned(), ConvPass::input_gradient)) {
    winograd_forward(shape.turned(), gradient, weight, true, input_gradient, view_of(sum));
  } else if (!shape.turns() && winograd_scatter_pays(shape)) {
    winograd_backward_data(shape, gradient, weight, input_gradient, view_of(sum).residual);
  } else if (pixelwise_fits(shape)) {
    pixelwise_backward_data(shape, gradient, weight, input_gradient, view_of(sum).residual);
  } else if (direct_fits(shape) && !by_patches) {
    direct_backward_data(shape, gradient, weight, input_gradient, view_of(sum).residual);
  } else if (shape.is_depthwise()) {
    depthwise_backward_data(shape, gradient, kernel, input_gradient, view_of(sum).residual);
  } else if (shape.turns() && !by_patches) {
    Tensor turned({shape.in_c, shape.kernel_h, shape.kernel_w, shape.out_c}, DType::float32);
    turn_weights(shape, kernel, turned.data<float>());
    im2col_forward(shape.turned(), gradient, turned, input_gradient, view_of(sum));
  } else {
    im2col_backward_data(shape, gradient, kernel, input_gradient);
    if (addend.defined()) binary(BinaryOp::add, dx, addend, dx);
  }
}

void CpuBackend::conv2d_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight,
                                        const Conv2dOptions& options) {
  const ConvShape shape(x.shape(), dweight.shape(), dy.shape(), options);
  const float *input = x.data<float>(), *gradient = dy.data<float>();
  float* kernel_gradient = dweight.data<float>();
  if (shape.is_pointwise())
    gemm_parallel({.m = shape.out_c,
                   .n = shape.in_c,
                   .k = shape.pixels(),
                   .a = {gradient, shape.out_c, true},
                   .b = {input, shape.in_c},
                   .c = kernel_gradient,
                   .c_stride = shape.in_c});
  else if (winograd_pays(shape, ConvPass::weight_gradient))
    winograd_backward_weight(shape, input, gradient, kernel_gradient);
  else if (pixelwise_fits(shape))
    pixelwise_backward_weight(shape, input, gradient, kernel_gradient);
  else if (direct_fits(shape))
    direct_backward_weight(shape, input, gradient, kernel_gradient);
  else if (shape.is_depthwise())
    depthwise_backward_weight(shape, input, gradient, kernel_gradient);
  else
    im2col_backward_weight(shape, input, gradient, kernel_gradient);
}

}  // namespace espalier::cpu
