#include "core/cpu/cpu_backend.h"

#include <omp.h>

#include <cstring>

#include "core/cpu/instruction_set.h"

namespace espalier::cpu {

CpuBackend::CpuBackend() {
  choose_instruction_set();
}

std::string CpuBackend::description() const {
  const int threads = omp_get_max_threads();
  return fmt::format("{} thread{}, {}", threads, threads == 1 ? "" : "s", instruction_set());
}

void* CpuBackend::allocate(size_t bytes) {
  return allocator_.allocate(bytes);
}

void CpuBackend::deallocate(void* pointer, size_t bytes) noexcept {
  allocator_.deallocate(pointer, bytes);
}

void CpuBackend::copy_from_host(void* destination, const void* source, size_t bytes) {
  std::memcpy(destination, source, bytes);
}

void CpuBackend::copy_to_host(void* destination, const void* source, size_t bytes) {
  std::memcpy(destination, source, bytes);
}

void CpuBackend::copy(void* destination, const void* source, size_t bytes) {
  std::memcpy(destination, source, bytes);
}

}  // namespace espalier::cpu
