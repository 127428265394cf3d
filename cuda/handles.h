#pragma once

#include <utility>

#include "cuda/status.h"

namespace espalier::cuda {

// Owns what a C library created: Handle<cudaStream_t, cudaStreamDestroy>.
template <typename T, auto destroy>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T handle) : handle_(handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, T{})) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() {
    if (handle_ != T{}) destroy(handle_);
  }
  operator T() const { return handle_; }  // NOLINT(google-explicit-constructor): it stands for the handle

 private:
  T handle_{};
};

using Stream = Handle<cudaStream_t, cudaStreamDestroy>;
using Event = Handle<cudaEvent_t, cudaEventDestroy>;
using Graph = Handle<cudaGraph_t, cudaGraphDestroy>;
using GraphExecution = Handle<cudaGraphExec_t, cudaGraphExecDestroy>;
using PinnedMemory = Handle<void*, cudaFreeHost>;
using CublasHandle = Handle<cublasHandle_t, cublasDestroy>;
using CudnnHandle = Handle<cudnnHandle_t, cudnnDestroy>;
using TensorDescriptor = Handle<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;
using FilterDescriptor = Handle<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor>;
using ConvolutionDescriptor = Handle<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor>;

// Each throws Error when the library refuses.
Stream make_stream();
Event make_event();  // without timing
PinnedMemory make_pinned_memory(size_t bytes);
CublasHandle make_cublas(cudaStream_t stream);
CudnnHandle make_cudnn(cudaStream_t stream);
TensorDescriptor make_tensor_descriptor();
FilterDescriptor make_filter_descriptor();
ConvolutionDescriptor make_convolution_descriptor();

}  // namespace espalier::cuda
