#include "tests/cuda_emulator/runtime.h"

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/memory.h"

namespace espalier::cuda_emulator {
namespace {

cudaError_t last_error = cudaSuccess;
int compute_capability = 80;

const char* name_of(cudaError_t error) {
  switch (error) {
#define ESPALIER_NAME(name) \
  case name:                \
    return #name
    ESPALIER_NAME(cudaSuccess);
    ESPALIER_NAME(cudaErrorInvalidValue);
    ESPALIER_NAME(cudaErrorMemoryAllocation);
    ESPALIER_NAME(cudaErrorInvalidConfiguration);
    ESPALIER_NAME(cudaErrorInvalidMemcpyDirection);
    ESPALIER_NAME(cudaErrorInvalidDevicePointer);
    ESPALIER_NAME(cudaErrorInvalidDevice);
    ESPALIER_NAME(cudaErrorInsufficientDriver);
    ESPALIER_NAME(cudaErrorNoDevice);
    ESPALIER_NAME(cudaErrorInvalidResourceHandle);
    ESPALIER_NAME(cudaErrorNotReady);
    ESPALIER_NAME(cudaErrorIllegalAddress);
    ESPALIER_NAME(cudaErrorLaunchFailure);
    ESPALIER_NAME(cudaErrorStreamCaptureUnsupported);
    ESPALIER_NAME(cudaErrorStreamCaptureInvalidated);
    ESPALIER_NAME(cudaErrorStreamCaptureIsolation);
    ESPALIER_NAME(cudaErrorCapturedEvent);
    ESPALIER_NAME(cudaErrorUnknown);
#undef ESPALIER_NAME
    default:
      return "an error that the emulator has no name for";
  }
}

bool on_device(const void* pointer) {
  return space_of(pointer) == Space::device;
}

// Reads both ends' kinds and checks the device ones; returns the direction.
cudaMemcpyKind direction(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const Space source = space_of(from), target = space_of(to);
  require(source != Space::freed && target != Space::freed, cudaErrorInvalidValue, "copies from {} to {}",
          describe_address(from), describe_address(to));
  const bool from_device = source == Space::device, to_device = target == Space::device;
  const cudaMemcpyKind actual = from_device ? (to_device ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost)
                                            : (to_device ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost);
  require(kind == actual || kind == cudaMemcpyDefault, cudaErrorInvalidValue,
          "kind {} was given for a copy from {} to {}", static_cast<int>(kind), describe_address(from),
          describe_address(to));
  if (from_device) require_device(from, bytes, cudaErrorInvalidValue, "the source", 1);
  if (to_device) require_device(to, bytes, cudaErrorInvalidValue, "the destination", 1);
  return actual;
}

// Pageable memory is read before the call returns, and is written by then.
void copy(const char* name, void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
          cudaStream_t stream, bool wait) {
  if (bytes == 0) return;
  kind = direction(to, from, bytes, kind);
  if (kind == cudaMemcpyHostToHost) wait = true;
  if (kind == cudaMemcpyDeviceToHost && space_of(to) == Space::host) wait = true;
  // Captured, a copy reads and writes at every launch what is pageable now.
  if (wait || space_of(from) == Space::host)
    require_no_capture(*stream_at(stream, cudaErrorInvalidResourceHandle));
  Point point;
  if (kind == cudaMemcpyHostToDevice && space_of(from) == Space::host) {
    const auto* first = static_cast<const std::byte*>(from);
    point = enqueue(stream, name, [to, staged = std::vector<std::byte>(first, first + bytes)] {
      std::memcpy(to, staged.data(), staged.size());
    });
  } else {
    point = enqueue(stream, name, [=] { std::memmove(to, from, bytes); });
  }
  if (wait && point.stream->finished < point.number) run_until(point);
}

void fill(const char* name, void* to, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return;
  require_device(to, bytes, cudaErrorInvalidValue, "the destination", 1);
  enqueue(stream, name, [=] { std::memset(to, value, bytes); });
}

void free_if_any(void* pointer, void (*release)(void*)) {
  if (!pointer) return;
  run_everything();
  release(pointer);
}

}  // namespace

cudaError_t settle(cudaError_t status) {
  const std::lock_guard lock(mutex());
  if (status == cudaSuccess) status = sticky_error();
  if (status != cudaSuccess && status != cudaErrorNotReady) last_error = status;
  return status;
}

void set_compute_capability(int capability) {
  compute_capability = capability;
}
void forget_errors() {
  last_error = cudaSuccess;
}

}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

// --- errors and versions ---------------------------------------------------------------------------------

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(mutex());
  return last_error;
}

cudaError_t cudaGetLastError() {
  const std::lock_guard lock(mutex());
  return std::exchange(last_error, sticky_error());
}

const char* cudaGetErrorName(cudaError_t error) {
  return name_of(error);
}
const char* cudaGetErrorString(cudaError_t error) {
  return name_of(error);
}

cudaError_t cudaDriverGetVersion(int* version) {
  return runtime_call("cudaDriverGetVersion", [&] { *version = CUDART_VERSION; });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return runtime_call("cudaRuntimeGetVersion", [&] { *version = CUDART_VERSION; });
}

// --- the device ------------------------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return runtime_call("cudaGetDeviceCount", [&] { *count = 1; });
}

cudaError_t cudaGetDevice(int* device) {
  return runtime_call("cudaGetDevice", [&] { *device = 0; });
}

cudaError_t cudaSetDevice(int device) {
  return runtime_call("cudaSetDevice", [&] {
    if (device != 0) throw Refusal{cudaErrorInvalidDevice};
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return runtime_call("cudaGetDeviceProperties", [&] {
    if (device != 0) throw Refusal{cudaErrorInvalidDevice};
    *properties = {};
    std::snprintf(properties->name, sizeof(properties->name), "emulated CUDA device");
    properties->totalGlobalMem = device_capacity();
    properties->sharedMemPerBlock = kMaxSharedBytes;
    properties->regsPerBlock = 65536;
    properties->warpSize = kWarpSize;
    properties->maxThreadsPerBlock = kMaxThreadsPerBlock;
    for (int axis = 0; axis < 3; ++axis) {
      properties->maxThreadsDim[axis] = axis < 2 ? 1024 : 64;
      properties->maxGridSize[axis] = axis < 1 ? 0x7FFFFFFF : 65535;
    }
    properties->major = compute_capability / 10;
    properties->minor = compute_capability % 10;
    properties->multiProcessorCount = 4;
    properties->maxThreadsPerMultiProcessor = 2048;
    properties->unifiedAddressing = 1;
    properties->asyncEngineCount = 2;
    properties->concurrentKernels = 1;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return runtime_call("cudaDeviceGetAttribute", [&] {
    if (device != 0) throw Refusal{cudaErrorInvalidDevice};
    switch (attribute) {
      case cudaDevAttrMultiProcessorCount:
        *value = 4;
        break;
      case cudaDevAttrMaxThreadsPerBlock:
        *value = kMaxThreadsPerBlock;
        break;
      case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = 2048;
        break;
      case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = kMaxSharedBytes;
        break;
      case cudaDevAttrWarpSize:
        *value = kWarpSize;
        break;
      case cudaDevAttrComputeCapabilityMajor:
        *value = compute_capability / 10;
        break;
      case cudaDevAttrComputeCapabilityMinor:
        *value = compute_capability % 10;
        break;
      default:
        require(false, cudaErrorInvalidValue, "attribute {} is not emulated", static_cast<int>(attribute));
    }
  });
}

// --- memory ----------------------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return runtime_call("cudaMalloc", [&] { *pointer = bytes == 0 ? nullptr : allocate_device(bytes); });
}

cudaError_t cudaFree(void* pointer) {
  return runtime_call("cudaFree", [&] { free_if_any(pointer, free_device); });
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return runtime_call("cudaMallocHost", [&] { *pointer = bytes == 0 ? nullptr : allocate_pinned(bytes); });
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int) {
  return runtime_call("cudaHostAlloc", [&] { *pointer = bytes == 0 ? nullptr : allocate_pinned(bytes); });
}

cudaError_t cudaFreeHost(void* pointer) {
  return runtime_call("cudaFreeHost", [&] { free_if_any(pointer, free_pinned); });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return runtime_call("cudaMemcpy", [&] {
    const bool wait = !(on_device(to) && on_device(from));
    copy("cudaMemcpy", to, from, bytes, kind, nullptr, wait);
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return runtime_call("cudaMemcpyAsync",
                      [&] { copy("cudaMemcpyAsync", to, from, bytes, kind, stream, false); });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return runtime_call("cudaMemset", [&] { fill("cudaMemset", to, value, bytes, nullptr); });
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return runtime_call("cudaMemsetAsync", [&] { fill("cudaMemsetAsync", to, value, bytes, stream); });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return runtime_call("cudaMemGetInfo", [&] {
    *total = device_capacity();
    *free = *total - std::min(*total, device_bytes());
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return runtime_call("cudaPointerGetAttributes", [&] {
    const Space space = space_of(pointer);
    *attributes = {};
    attributes->type = space == Space::device   ? cudaMemoryTypeDevice
                       : space == Space::pinned ? cudaMemoryTypeHost
                                                : cudaMemoryTypeUnregistered;
    attributes->device = attributes->type == cudaMemoryTypeUnregistered ? -2 : 0;
    void* const address = const_cast<void*>(pointer);
    if (space == Space::device || space == Space::pinned) attributes->devicePointer = address;
    if (space == Space::pinned || space == Space::host) attributes->hostPointer = address;
  });
}
