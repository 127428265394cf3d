#include <algorithm>

#include "tests/cuda_emulator/cudnn.h"

namespace espalier::cuda_emulator {
namespace {

Objects<Layout, cudnnTensorDescriptor_t> tensors("tensor descriptor", CUDNN_STATUS_BAD_PARAM);
Objects<Layout, cudnnFilterDescriptor_t> filters("filter descriptor", CUDNN_STATUS_BAD_PARAM);
Objects<Convolution, cudnnConvolutionDescriptor_t> convolutions("convolution descriptor",
                                                                CUDNN_STATUS_BAD_PARAM);
Objects<Pooling, cudnnPoolingDescriptor_t> poolings("pooling descriptor", CUDNN_STATUS_BAD_PARAM);
Objects<Activation, cudnnActivationDescriptor_t> activations("activation descriptor", CUDNN_STATUS_BAD_PARAM);

void require_set(bool set, const char* what) {
  require(set, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "the descriptor of {} was never set", what);
}

void require_sizes(int n, int c, int h, int w) {
  require(n > 0 && c > 0 && h > 0 && w > 0, CUDNN_STATUS_BAD_PARAM,
          "sizes ({}, {}, {}, {}); all above 0 were due", n, c, h, w);
}

}  // namespace

Layout Layout::packed(cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h, int w) {
  require_sizes(n, c, h, w);
  require(format == CUDNN_TENSOR_NCHW || format == CUDNN_TENSOR_NHWC, CUDNN_STATUS_BAD_PARAM,
          "format {}; NCHW (0) or NHWC (1) was due", static_cast<int>(format));
  Layout layout{type, format, n, c, h, w};
  const bool channels_last = format == CUDNN_TENSOR_NHWC;
  layout.stride_c = channels_last ? 1 : int64_t{h} * w;
  layout.stride_w = channels_last ? c : 1;
  layout.stride_h = layout.stride_w * w;
  layout.stride_n = int64_t{c} * h * w;
  return layout;
}

const Layout& tensor_at(cudnnTensorDescriptor_t descriptor, const char* what) {
  const Layout& layout = *tensors.at(descriptor);
  require_set(layout.n > 0, what);
  return layout;
}

const Layout& filter_at(cudnnFilterDescriptor_t descriptor, const char* what) {
  const Layout& layout = *filters.at(descriptor);
  require_set(layout.n > 0, what);
  return layout;
}

const Convolution& convolution_at(cudnnConvolutionDescriptor_t descriptor) {
  const Convolution& convolution = *convolutions.at(descriptor);
  require_set(convolution.stride_h > 0, "the convolution");
  return convolution;
}

const Pooling& pooling_at(cudnnPoolingDescriptor_t descriptor) {
  const Pooling& pooling = *poolings.at(descriptor);
  require_set(pooling.stride_h > 0, "the pooling");
  return pooling;
}

const Activation& activation_at(cudnnActivationDescriptor_t descriptor) {
  const Activation& activation = *activations.at(descriptor);
  require_set(activation.set, "the activation");
  return activation;
}

std::string to_string(const Layout& layout) {
  return fmt::format("({}, {}, {}, {})", layout.n, layout.c, layout.h, layout.w);
}

void require_same_shape(const Layout& actual, const char* what, const Layout& due, const char* like) {
  require(actual.same_shape(due), CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "{} is {}; {} like {} was due", what,
          to_string(actual), to_string(due), like);
}

void require_float(const Layout& layout) {
  if (layout.type != CUDNN_DATA_FLOAT) throw Refusal{CUDNN_STATUS_NOT_SUPPORTED};
}

const float* input(const void* data, const Layout& layout, const char* what) {
  require_float(layout);
  require_device(data, static_cast<size_t>(layout.extent()) * sizeof(float), CUDNN_STATUS_BAD_PARAM, what);
  return static_cast<const float*>(data);
}

float* output(void* data, const Layout& layout, const char* what) {
  return const_cast<float*>(input(data, layout, what));
}

Blend::Blend(const void* alpha_pointer, const void* beta_pointer) {
  require(alpha_pointer && beta_pointer, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "alpha or beta is null");
  require(space_of(alpha_pointer) == Space::host && space_of(beta_pointer) == Space::host,
          CUDNN_STATUS_BAD_PARAM, "alpha or beta is not in host memory");
  alpha = *static_cast<const float*>(alpha_pointer);
  beta = *static_cast<const float*>(beta_pointer);
}

size_t live_cudnn_descriptors() {
  return tensors.size() + filters.size() + convolutions.size() + poolings.size() + activations.size();
}

void forget_cudnn_descriptors() {
  tensors.clear();
  filters.clear();
  convolutions.clear();
  poolings.clear();
  activations.clear();
}

}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

#define ESPALIER_DESCRIPTOR(Kind, objects)                                                        \
  cudnnStatus_t cudnnCreate##Kind##Descriptor(cudnn##Kind##Descriptor_t* descriptor) {            \
    return cudnn_call("cudnnCreate" #Kind "Descriptor", [&] { *descriptor = objects.create(); }); \
  }                                                                                               \
  cudnnStatus_t cudnnDestroy##Kind##Descriptor(cudnn##Kind##Descriptor_t descriptor) {            \
    return cudnn_call("cudnnDestroy" #Kind "Descriptor", [&] { objects.destroy(descriptor); });   \
  }
ESPALIER_DESCRIPTOR(Tensor, tensors)
ESPALIER_DESCRIPTOR(Filter, filters)
ESPALIER_DESCRIPTOR(Convolution, convolutions)
ESPALIER_DESCRIPTOR(Pooling, poolings)
ESPALIER_DESCRIPTOR(Activation, activations)
#undef ESPALIER_DESCRIPTOR

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t descriptor, cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int n, int c, int h, int w) {
  return cudnn_call("cudnnSetTensor4dDescriptor",
                    [&] { *tensors.at(descriptor) = Layout::packed(format, type, n, c, h, w); });
}

cudnnStatus_t cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t descriptor, cudnnDataType_t type, int n,
                                           int c, int h, int w, int stride_n, int stride_c, int stride_h,
                                           int stride_w) {
  return cudnn_call("cudnnSetTensor4dDescriptorEx", [&] {
    require_sizes(n, c, h, w);
    require(stride_n > 0 && stride_c > 0 && stride_h > 0 && stride_w > 0, CUDNN_STATUS_BAD_PARAM,
            "strides ({}, {}, {}, {}); all above 0 were due", stride_n, stride_c, stride_h, stride_w);
    const auto format = stride_c == 1 ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW;
    *tensors.at(descriptor) = {type, format, n, c, h, w, stride_n, stride_c, stride_h, stride_w};
  });
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t descriptor, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k, int c, int h, int w) {
  return cudnn_call("cudnnSetFilter4dDescriptor",
                    [&] { *filters.at(descriptor) = Layout::packed(format, type, k, c, h, w); });
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t descriptor, int padding_h,
                                              int padding_w, int stride_h, int stride_w, int dilation_h,
                                              int dilation_w, cudnnConvolutionMode_t mode,
                                              cudnnDataType_t compute) {
  return cudnn_call("cudnnSetConvolution2dDescriptor", [&] {
    require(
        padding_h >= 0 && padding_w >= 0 && stride_h > 0 && stride_w > 0 && dilation_h > 0 && dilation_w > 0,
        CUDNN_STATUS_BAD_PARAM, "padding ({}, {}), stride ({}, {}), dilation ({}, {})", padding_h, padding_w,
        stride_h, stride_w, dilation_h, dilation_w);
    Convolution& convolution = *convolutions.at(descriptor);
    convolution = {padding_h,  padding_w, stride_h, stride_w,         dilation_h,
                   dilation_w, mode,      compute,  convolution.math, convolution.groups};
  });
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t descriptor, cudnnMathType_t math) {
  return cudnn_call("cudnnSetConvolutionMathType", [&] { convolutions.at(descriptor)->math = math; });
}

cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t descriptor, int groups) {
  return cudnn_call("cudnnSetConvolutionGroupCount", [&] {
    require(groups > 0, CUDNN_STATUS_BAD_PARAM, "{} groups", groups);
    convolutions.at(descriptor)->groups = groups;
  });
}

cudnnStatus_t cudnnSetPooling2dDescriptor(cudnnPoolingDescriptor_t descriptor, cudnnPoolingMode_t mode,
                                          cudnnNanPropagation_t, int window_h, int window_w, int padding_h,
                                          int padding_w, int stride_h, int stride_w) {
  return cudnn_call("cudnnSetPooling2dDescriptor", [&] {
    require(window_h > 0 && window_w > 0 && stride_h > 0 && stride_w > 0 && padding_h >= 0 &&
                padding_w >= 0 && padding_h < window_h && padding_w < window_w,
            CUDNN_STATUS_BAD_PARAM, "window ({}, {}), padding ({}, {}), stride ({}, {})", window_h, window_w,
            padding_h, padding_w, stride_h, stride_w);
    *poolings.at(descriptor) = {mode, window_h, window_w, padding_h, padding_w, stride_h, stride_w};
  });
}

cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t descriptor, cudnnActivationMode_t mode,
                                           cudnnNanPropagation_t, double coefficient) {
  return cudnn_call("cudnnSetActivationDescriptor", [&] {
    *activations.at(descriptor) = {true, mode, coefficient};
  });
}
