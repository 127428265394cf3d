#include "core/reference/reference_backend.h"

#include <cstring>
#include <new>

namespace espalier::reference {

namespace {
constexpr std::align_val_t kAlignment{64};
}

void* ReferenceBackend::allocate(size_t bytes) {
  try {
    return ::operator new(bytes, kAlignment);
  } catch (const std::bad_alloc&) {
    fail("[allocate] no memory for {} bytes on the host", bytes);
  }
}

void ReferenceBackend::deallocate(void* pointer, size_t) noexcept {
  ::operator delete(pointer, kAlignment);
}

void ReferenceBackend::copy_from_host(void* destination, const void* source, size_t bytes) {
  std::memcpy(destination, source, bytes);
}

void ReferenceBackend::copy_to_host(void* destination, const void* source, size_t bytes) {
  std::memcpy(destination, source, bytes);
}

void ReferenceBackend::copy(void* destination, const void* source, size_t bytes) {
  std::memcpy(destination, source, bytes);
}

}  // namespace espalier::reference
