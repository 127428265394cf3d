#include <cstdio>

#include "tests/cuda_emulator/cudnn.h"

namespace espalier::cuda_emulator {
namespace {

Objects<Cudnn, cudnnHandle_t> handles("cuDNN handle", CUDNN_STATUS_NOT_INITIALIZED);
std::string last_message;

}  // namespace

Cudnn& handle_at(cudnnHandle_t handle) {
  return *handles.at(handle);
}
void remember_message(const std::string& message) {
  last_message = message;
}
size_t live_cudnn_handles() {
  return handles.size();
}

void forget_cudnn() {
  handles.clear();
  forget_cudnn_descriptors();
  last_message.clear();
}

}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

size_t cudnnGetVersion() {
  return CUDNN_VERSION;
}
size_t cudnnGetCudartVersion() {
  return CUDART_VERSION;
}

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
#define ESPALIER_NAME(name) \
  case name:                \
    return #name
    ESPALIER_NAME(CUDNN_STATUS_SUCCESS);
    ESPALIER_NAME(CUDNN_STATUS_NOT_INITIALIZED);
    ESPALIER_NAME(CUDNN_STATUS_BAD_PARAM);
    ESPALIER_NAME(CUDNN_STATUS_BAD_PARAM_NULL_POINTER);
    ESPALIER_NAME(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED);
    ESPALIER_NAME(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    ESPALIER_NAME(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT);
    ESPALIER_NAME(CUDNN_STATUS_NOT_SUPPORTED);
    ESPALIER_NAME(CUDNN_STATUS_INTERNAL_ERROR);
    ESPALIER_NAME(CUDNN_STATUS_ALLOC_FAILED);
    ESPALIER_NAME(CUDNN_STATUS_EXECUTION_FAILED);
#undef ESPALIER_NAME
    default:
      return "a status that the emulator has no name for";
  }
}

void cudnnGetLastErrorString(char* message, size_t size) {
  const std::lock_guard lock(mutex());
  std::snprintf(message, size, "%s", last_message.c_str());
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return cudnn_call("cudnnCreate", [&] { *handle = handles.create(); });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  return cudnn_call("cudnnDestroy", [&] { handles.destroy(handle); });
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return cudnn_call("cudnnSetStream", [&] {
    stream_at(stream, CUDNN_STATUS_BAD_PARAM);
    handle_at(handle).stream = stream;
  });
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  return cudnn_call("cudnnGetStream", [&] { *stream = handle_at(handle).stream; });
}
