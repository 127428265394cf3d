#include "tests/support/allocation.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::ptrdiff_t> live{0}, highest{0};

// Passes on what malloc gave, null included.
void* counted(void* pointer) {
  if (pointer == nullptr) return nullptr;
  const auto now = live += static_cast<std::ptrdiff_t>(malloc_usable_size(pointer));
  auto seen = highest.load();
  while (now > seen && !highest.compare_exchange_weak(seen, now)) {
  }
  return pointer;
}

void* plain(std::size_t bytes) {
  return counted(std::malloc(bytes == 0 ? 1 : bytes));
}

void* aligned(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(unit, (bytes == 0 ? unit : bytes + unit - 1) / unit * unit));
}

void* required(void* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

void release(void* pointer) {
  if (pointer != nullptr) live -= static_cast<std::ptrdiff_t>(malloc_usable_size(pointer));
  std::free(pointer);
}

}  // namespace

// Every form: the others would call these, but under AddressSanitizer they are its own and the two must not
// mix.
using Alignment = std::align_val_t;
using Nothrow = const std::nothrow_t&;
void* operator new(std::size_t bytes) {
  return required(plain(bytes));
}
void* operator new[](std::size_t bytes) {
  return required(plain(bytes));
}
void* operator new(std::size_t bytes, Nothrow) noexcept {
  return plain(bytes);
}
void* operator new[](std::size_t bytes, Nothrow) noexcept {
  return plain(bytes);
}
void* operator new(std::size_t bytes, Alignment alignment) {
  return required(aligned(bytes, alignment));
}
void* operator new[](std::size_t bytes, Alignment alignment) {
  return required(aligned(bytes, alignment));
}
void* operator new(std::size_t bytes, Alignment alignment, Nothrow) noexcept {
  return aligned(bytes, alignment);
}
void* operator new[](std::size_t bytes, Alignment alignment, Nothrow) noexcept {
  return aligned(bytes, alignment);
}
void operator delete(void* pointer) noexcept {
  release(pointer);
}
void operator delete[](void* pointer) noexcept {
  release(pointer);
}
void operator delete(void* pointer, Nothrow) noexcept {
  release(pointer);
}
void operator delete[](void* pointer, Nothrow) noexcept {
  release(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept {
  release(pointer);
}
void operator delete[](void* pointer, std::size_t) noexcept {
  release(pointer);
}
void operator delete(void* pointer, Alignment) noexcept {
  release(pointer);
}
void operator delete[](void* pointer, Alignment) noexcept {
  release(pointer);
}
void operator delete(void* pointer, std::size_t, Alignment) noexcept {
  release(pointer);
}
void operator delete[](void* pointer, std::size_t, Alignment) noexcept {
  release(pointer);
}
void operator delete(void* pointer, Alignment, Nothrow) noexcept {
  release(pointer);
}
void operator delete[](void* pointer, Alignment, Nothrow) noexcept {
  release(pointer);
}

namespace espalier::test {

AllocationMeter::AllocationMeter() {
  highest = live.load();
  base_ = static_cast<std::size_t>(live.load());
}
std::size_t AllocationMeter::peak() const {
  return static_cast<std::size_t>(highest.load()) - base_;
}

}  // namespace espalier::test
