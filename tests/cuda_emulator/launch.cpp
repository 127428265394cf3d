#include "tests/cuda_emulator/emulator.h"
#include "tests/cuda_emulator/kernel.h"
#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/runtime.h"

namespace espalier::cuda_emulator {
namespace {

uint64_t launched = 0;

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

}  // namespace

cudaError_t launch_kernel(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                          std::function<void()> thread, std::span<const void* const> pointers) {
  return runtime_call("cudaLaunchKernel", [&] {
    check_geometry(grid, block, shared_bytes);
    for (size_t i = 0; i < pointers.size(); ++i) {
      const Space space = space_of(pointers[i]);
      require(pointers[i] == nullptr || space == Space::device || space == Space::pinned,
              cudaErrorIllegalAddress, "argument {} is {}, not device memory", i,
              describe_address(pointers[i]));
    }
    ++launched;
    enqueue(stream, fmt::format("kernel launch {}", launched),
            [=, run = std::move(thread)] { run_kernel(grid, block, shared_bytes, run); });
  });
}

uint64_t launches() {
  const std::lock_guard lock(mutex());
  return launched;
}

void forget_launches() {
  launched = 0;
}

}  // namespace espalier::cuda_emulator
