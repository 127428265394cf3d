#include "tests/support/allocation.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::ptrdiff_t> live{0}, highest{0};

void* counted(void* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  const auto now = live += static_cast<std::ptrdiff_t>(malloc_usable_size(pointer));
  auto seen = highest.load();
  while (now > seen && !highest.compare_exchange_weak(seen, now)) {
  }
  return pointer;
}

void release(void* pointer) {
  if (pointer != nullptr) live -= static_cast<std::ptrdiff_t>(malloc_usable_size(pointer));
  std::free(pointer);
}

void* aligned(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(std::malloc(bytes == 0 ? 1 : bytes)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(aligned(bytes == 0 ? 1 : bytes, alignment));
}
void operator delete(void* pointer) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { release(pointer); }

namespace espalier::test {

AllocationMeter::AllocationMeter() { highest = live.load(); base_ = static_cast<std::size_t>(live.load()); }
std::size_t AllocationMeter::peak() const { return static_cast<std::size_t>(highest.load()) - base_; }

}  // namespace espalier::test
