#include <sys/mman.h>

#include "tests/cuda_emulator/emulator.h"
#include "tests/cuda_emulator/kernel.h"
#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/runtime.h"

namespace espalier::cuda_emulator {
namespace {

uint64_t launched = 0, run = 0;

std::string to_text(dim3 size) {
  return fmt::format("({}, {}, {})", size.x, size.y, size.z);
}

void check_geometry(dim3 grid, dim3 block, size_t shared_bytes) {
  require(
      grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7FFFFFFF && grid.y <= 65535 && grid.z <= 65535,
      cudaErrorInvalidConfiguration, "grid {}; between 1 and 2147483647, 65535 and 65535 blocks were due",
      to_text(grid));
  require(block.x >= 1 && block.y >= 1 && block.z >= 1 && block.z <= 64 &&
              uint64_t{block.x} * block.y * block.z <= kMaxThreadsPerBlock,
          cudaErrorInvalidConfiguration, "block {}; between 1 and {} threads were due, at most 64 in z",
          to_text(block), kMaxThreadsPerBlock);
  require(shared_bytes <= kMaxSharedBytes, cudaErrorInvalidConfiguration,
          "{} bytes of dynamic shared memory; at most {} were due", shared_bytes, kMaxSharedBytes);
}

// Whether the word is the address of host memory: it lies where Linux puts heap, libraries and stacks, far
// above what two small integers make, and is mapped.
bool points_to_host(uintptr_t word) {
  if (word < uintptr_t{0x5000} << 32 || word >= uintptr_t{0x10000} << 32) return false;
  void* const page = reinterpret_cast<void*>(word / 4096 * 4096);
  return space_of(reinterpret_cast<void*>(word)) == Space::host && ::msync(page, 1, MS_ASYNC) == 0;
}

// Kernels get pointers alone or inside of structs, so each aligned word of an argument is looked at.
void check_argument(size_t number, std::span<const std::byte> bytes) {
  for (size_t at = 0; at + sizeof(uintptr_t) <= bytes.size(); at += sizeof(uintptr_t)) {
    uintptr_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    const void* const pointer = reinterpret_cast<const void*>(word);
    require(space_of(pointer) != Space::freed && !points_to_host(word), cudaErrorIllegalAddress,
            "argument {} is or holds a pointer to {}, not to live device memory", number,
            describe_address(pointer));
  }
}

}  // namespace

cudaError_t launch_kernel(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                          std::function<void()> thread,
                          std::span<const std::span<const std::byte>> arguments) {
  return runtime_call("cudaLaunchKernel", [&] {
    check_geometry(grid, block, shared_bytes);
    for (size_t i = 0; i < arguments.size(); ++i) check_argument(i, arguments[i]);
    ++launched;
    enqueue(stream, fmt::format("kernel launch {}", launched), [=, body = std::move(thread)] {
      run_kernel(grid, block, shared_bytes, body);
      ++run;
    });
  });
}

uint64_t launches() {
  const std::lock_guard lock(mutex());
  return launched;
}

uint64_t finished_launches() {
  const std::lock_guard lock(mutex());
  return run;
}

void forget_launches() {
  launched = run = 0;
}

}  // namespace espalier::cuda_emulator
