#include "cuda/handles.h"

namespace espalier::cuda {

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "backend");
  return Stream(stream);
}

Event make_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "backend");
  return Event(event);
}

PinnedMemory make_pinned_memory(size_t bytes) {
  void* memory = nullptr;
  check_cuda(cudaMallocHost(&memory, bytes), "backend");
  return PinnedMemory(memory);
}

CublasHandle make_cublas(cudaStream_t stream) {
  cublasHandle_t handle = nullptr;
  check_cublas(cublasCreate(&handle), "backend");
  CublasHandle owned(handle);
  check_cublas(cublasSetStream(handle, stream), "backend");
  return owned;
}

CudnnHandle make_cudnn(cudaStream_t stream) {
  cudnnHandle_t handle = nullptr;
  check_cudnn(cudnnCreate(&handle), "backend");
  CudnnHandle owned(handle);
  check_cudnn(cudnnSetStream(handle, stream), "backend");
  return owned;
}

TensorDescriptor make_tensor_descriptor() {
  cudnnTensorDescriptor_t descriptor = nullptr;
  check_cudnn(cudnnCreateTensorDescriptor(&descriptor), "conv2d");
  return TensorDescriptor(descriptor);
}

FilterDescriptor make_filter_descriptor() {
  cudnnFilterDescriptor_t descriptor = nullptr;
  check_cudnn(cudnnCreateFilterDescriptor(&descriptor), "conv2d");
  return FilterDescriptor(descriptor);
}

ConvolutionDescriptor make_convolution_descriptor() {
  cudnnConvolutionDescriptor_t descriptor = nullptr;
  check_cudnn(cudnnCreateConvolutionDescriptor(&descriptor), "conv2d");
  return ConvolutionDescriptor(descriptor);
}

}  // namespace espalier::cuda
