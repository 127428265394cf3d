#include "core/cpu/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

#include "core/error.h"
#include "core/size_class.h"

namespace espalier::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};
#ifdef __SANITIZE_ADDRESS__
constexpr bool kCaching = false;
#else
constexpr bool kCaching = true;
#endif
constexpr size_t kHugePage = size_t{2} << 20;

void* fresh(size_t bytes) {
  void* pointer = ::operator new(bytes, kAlignment);
#ifdef MADV_HUGEPAGE
  if (bytes >= 4 * kHugePage) {
    // A wish: without huge pages the memory is as good, only slower.
    const auto first = (reinterpret_cast<uintptr_t>(pointer) + kHugePage - 1) / kHugePage * kHugePage;
    const auto end = (reinterpret_cast<uintptr_t>(pointer) + bytes) / kHugePage * kHugePage;
    static_cast<void>(madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE));
  }
#endif
  return pointer;
}

}  // namespace

void* Allocator::allocate(size_t bytes) {
  check(bytes < size_t{1} << 62, "[allocate] no memory for {} bytes on the host", bytes);
  const SizeClass size = size_class_of(bytes);
  {
    const std::lock_guard lock(mutex_);
    used_ += size.bytes;
    most_used_ = std::max(most_used_, used_);
    if (Block* block = free_[size.index]) {
      free_[size.index] = block->next;
      cached_ -= size.bytes;
      return block;
    }
  }
  const size_t wanted = kCaching ? size.bytes : bytes;
  try {
    return fresh(wanted);
  } catch (const std::bad_alloc&) {
    trim();  // what is kept may be what is missing
  }
  try {
    return fresh(wanted);
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    used_ -= size.bytes;
    fail("[allocate] no memory for {} bytes on the host", bytes);
  }
}

void Allocator::deallocate(void* pointer, size_t bytes) noexcept {
  const SizeClass size = size_class_of(bytes);
  const std::lock_guard lock(mutex_);
  used_ -= size.bytes;
  if (kCaching && used_ + cached_ + size.bytes <= most_used_ + most_used_ / 4 + kSlack) {
    free_[size.index] = ::new (pointer) Block{free_[size.index]};
    cached_ += size.bytes;
    return;
  }
  ::operator delete(pointer, kAlignment);
}

void Allocator::trim() noexcept {
  const std::lock_guard lock(mutex_);
  for (Block*& head : free_)
    while (head != nullptr) ::operator delete(std::exchange(head, head->next), kAlignment);
  cached_ = 0;
}

}  // namespace espalier::cpu
