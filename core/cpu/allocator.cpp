#include "core/cpu/allocator.h"

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

}  // namespace

void* Allocator::allocate(size_t bytes) {
  check(bytes < size_t{1} << 62, "[allocate] no memory for {} bytes on the host", bytes);
  const SizeClass size = size_class_of(bytes);
  {
    const std::lock_guard lock(mutex_);
    if (Block* block = free_[size.index]) {
      free_[size.index] = block->next;
      cached_ -= size.bytes;
      return block;
    }
  }
  const size_t wanted = kCaching ? size.bytes : bytes;
  try {
    return ::operator new(wanted, kAlignment);
  } catch (const std::bad_alloc&) {
    trim();  // what is kept may be what is missing
  }
  try {
    return ::operator new(wanted, kAlignment);
  } catch (const std::bad_alloc&) {
    fail("[allocate] no memory for {} bytes on the host", bytes);
  }
}

void Allocator::deallocate(void* pointer, size_t bytes) noexcept {
  const SizeClass size = size_class_of(bytes);
  if (kCaching) {
    const std::lock_guard lock(mutex_);
    if (cached_ + size.bytes <= kCacheLimit) {
      free_[size.index] = ::new (pointer) Block{free_[size.index]};
      cached_ += size.bytes;
      return;
    }
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
