#include "core/cpu/cpu_backend.h"

#include <cblas.h>
#include <omp.h>

#include <cstring>

namespace espalier::cpu {

// Results are the same for any number of threads because a product runs on the one thread that asks for it,
// which only the OpenMP build of OpenBLAS understands. Which build serves libopenblas.so.0 is Debian's
// alternatives' choice.
CpuBackend::CpuBackend() {
  check(openblas_get_parallel() != OPENBLAS_THREAD,
        "[backend] OpenBLAS is the pthread build; install libopenblas0-openmp and choose it with "
        "update-alternatives --config libopenblas.so.0-$(uname -m)-linux-gnu");
}

std::string CpuBackend::description() const {
  const int threads = omp_get_max_threads();
  return fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
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
