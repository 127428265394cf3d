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
  {
    const std::lock_guard lock(mutex_);
    ++statistics_.requests;
    if (void* block = take_kept(size)) return hand_out(block, size);
    ++statistics_.device_requests;
  }
  void* block = allocate_on_device(size.bytes);
  const std::lock_guard lock(mutex_);
  return hand_out(block, size);
}

void* Allocator::take_kept(const SizeClass& size) {
  const auto pop = [](std::vector<void*>& blocks) {
    void* block = blocks.back();
    blocks.pop_back();
    return block;
  };
  if (entered_ != nullptr && !entered_->free_[size.index].empty()) return pop(entered_->free_[size.index]);
  if (free_[size.index].empty()) return nullptr;
  statistics_.kept -= size.bytes;
  return pop(free_[size.index]);
}

void* Allocator::hand_out(void* block, const SizeClass& size) {
  if (entered_ != nullptr) pool_of_[block] = entered_;
  statistics_.used += size.bytes;
  statistics_.highest = std::max(statistics_.highest, statistics_.used);
  return block;
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
  const auto pool = pool_of_.find(pointer);
  if (pool == pool_of_.end()) {
    keep(pointer, size);
    return;
  }
  try {
    pool->second->free_[size.index].push_back(pointer);
  } catch (const std::bad_alloc&) {
    // Not the pool's any more, nor the device's: what uses the pool may still write there.
  }
}

void Allocator::keep(void* block, const SizeClass& size) noexcept {
  try {
    free_[size.index].push_back(block);
    statistics_.kept += size.bytes;
  } catch (const std::bad_alloc&) {
    cudaFree(block);
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

void Allocator::enter(Pool* pool) {
  const std::lock_guard lock(mutex_);
  check(pool == nullptr || entered_ == nullptr, "[allocate] a pool was entered while another one is");
  entered_ = pool;
}

void Allocator::dissolve(Pool& pool) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(pool_of_, [&](const auto& block) { return block.second == &pool; });
  for (size_t index = 0; index < free_.size(); ++index) {
    for (void* block : pool.free_[index]) keep(block, size_class_at(index));
    pool.free_[index].clear();
  }
}

Allocator::Statistics Allocator::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace espalier::cuda
