#include "cuda/cuda_backend.h"

#include <new>

#include "cuda/recording.h"
#include "cuda/status.h"

namespace espalier::cuda {
namespace {

// The oldest generation that the kernels are compiled for, Turing.
constexpr int kMajor = 7, kMinor = 5;
constexpr int kTf32Major = 8;  // Ampere

cudaDeviceProp find_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  check(status == cudaSuccess, "[backend] {} ({})", cudaGetErrorString(status), cudaGetErrorName(status));
  check(count > 0, "[backend] the driver knows no device");
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, 0), "backend");
  check(std::pair(properties.major, properties.minor) >= std::pair(kMajor, kMinor),
        "[backend] {} has compute capability {}.{}; {}.{} or newer is due", properties.name, properties.major,
        properties.minor, kMajor, kMinor);
  return properties;
}

}  // namespace

CudaBackend::CudaBackend()
    : properties_(find_device()),
      description_(fmt::format("{}, {:.1f} GiB", properties_.name,
                               static_cast<double>(properties_.totalGlobalMem) / 0x1p30)),
      stream_(make_stream()),
      cublas_(make_cublas(stream_)),
      cudnn_(make_cudnn(stream_)),
      fault_memory_(make_pinned_memory(sizeof(kernels::LabelFault))),
      fault_(::new (static_cast<void*>(fault_memory_)) kernels::LabelFault),
      uploads_(stream_),
      staging_(stream_),
      convolutions_(cudnn_, allocator_) {
  set_precision(has_tf32() ? Precision::tf32 : Precision::float32);
}

void CudaBackend::set_precision(Precision precision) {
  check(precision != Precision::tf32 || has_tf32(),
        "[backend] {} has compute capability {}.{}; tf32 needs {}.0", properties_.name, properties_.major,
        properties_.minor, kTf32Major);
  precision_ = precision;
}

bool CudaBackend::has_tf32() const {
  return properties_.major >= kTf32Major;
}

void* CudaBackend::allocate(size_t bytes) {
  return allocator_.allocate(bytes);
}

void CudaBackend::deallocate(void* pointer, size_t bytes) noexcept {
  allocator_.deallocate(pointer, bytes);
}

void CudaBackend::copy_from_host(void* destination, const void* source, size_t bytes) {
  staging_.copy_from_host(destination, source, bytes);
}

void CudaBackend::copy_to_host(void* destination, const void* source, size_t bytes) {
  check_cuda(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToHost, stream_), "copy_to_host");
  wait("copy_to_host");
}

void CudaBackend::copy(void* destination, const void* source, size_t bytes) {
  check_cuda(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToDevice, stream_), "copy");
}

void CudaBackend::synchronize() {
  wait("synchronize");
}

void CudaBackend::reserve_uploads() {
  uploads_.reserve();
}

void CudaBackend::upload(void* destination, const void* source, size_t bytes) {
  uploads_.upload(destination, source, bytes);
}

std::unique_ptr<Recording> CudaBackend::record(const std::function<void()>& work) {
  return std::make_unique<GraphRecording>(stream_, allocator_, work);
}

void CudaBackend::wait(std::string_view operation) {
  check_cuda(cudaStreamSynchronize(stream_), operation);
  if (fault_->row < 0) return;
  const kernels::LabelFault fault = *fault_;
  *fault_ = {};
  fail("[cross_entropy] row {} has label {}, which is not in [0, {})", fault.row, fault.label, fault.classes);
}

}  // namespace espalier::cuda
