#include "cuda/allocator.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <new>

#include "core/error.h"
#include "cuda/status.h"

namespace espalier::cuda {
namespace {

constexpr size_t kSmallest = 512;  // what cudaMalloc rounds up to

}  // namespace

void* Allocator::allocate(size_t bytes) {
  check(bytes < size_t{1} << 62, "[allocate] no memory for {} bytes on the CUDA device", bytes);
  const SizeClass size = size_class_of(bytes, kSmallest);
  const auto take = [&](void* block) {
    statistics_.used += size.bytes;
    statistics_.highest = std::max(statistics_.highest, statistics_.used);
    return block;
  };
  {
    const std::lock_guard lock(mutex_);
    ++statistics_.requests;
    if (std::vector<void*>& blocks = free_[size.index]; !blocks.empty()) {
      void* block = blocks.back();
      blocks.pop_back();
      statistics_.kept -= size.bytes;
      return take(block);
    }
    ++statistics_.device_requests;
  }
  void* block = allocate_on_device(size.bytes);
  const std::lock_guard lock(mutex_);
  return take(block);
}

void* Allocator::allocate_on_device(size_t bytes) {
  void* block = nullptr;
  cudaError_t status = cudaMalloc(&block, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    trim();  // what is kept may be what is missing
    status = cudaMalloc(&block, bytes);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    check_cuda(cudaMemGetInfo(&free, &total), "allocate");
    fail(
        "[allocate] no memory for {} bytes on the CUDA device: {} of its {} bytes are free, {} are used here",
        bytes, free, total, statistics().used);
  }
  check_cuda(status, "allocate");
  return block;
}

void Allocator::deallocate(void* pointer, size_t bytes) noexcept {
  const SizeClass size = size_class_of(bytes, kSmallest);
  const std::lock_guard lock(mutex_);
  statistics_.used -= size.bytes;
  try {
    free_[size.index].push_back(pointer);
    statistics_.kept += size.bytes;
  } catch (const std::bad_alloc&) {
    cudaFree(pointer);
  }
}

void Allocator::trim() noexcept {
  const std::lock_guard lock(mutex_);
  for (std::vector<void*>& blocks : free_) {
    for (void* block : blocks) cudaFree(block);
    blocks.clear();
  }
  statistics_.kept = 0;
}

Allocator::Statistics Allocator::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace espalier::cuda
