#pragma once

// What kernels are written in. Under nvcc it is CUDA; the host compiler takes the same sources to tests, on
// an emulation of what is used here. Two rules make that possible: kernels are started by launch(), never by
// <<<…>>>, and dynamic shared memory is dynamic_shared<T>(), never an extern __shared__ array.

#ifdef __CUDACC__
#include <cuda_runtime.h>

#include <utility>
#else
#include ESPALIER_KERNEL_LANGUAGE  // the emulation, which the build names
#endif

namespace espalier::cuda {

struct LaunchConfig {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;  // of dynamic shared memory
  cudaStream_t stream = nullptr;
};

// Queues kernel(arguments...), each converted to the kernel's own parameter type. The caller checks the
// result.
template <typename... Parameters, typename... Arguments>
[[nodiscard]] cudaError_t launch(void (*kernel)(Parameters...), const LaunchConfig& config,
                                 Arguments&&... arguments) {
#ifdef __CUDACC__
  cudaLaunchConfig_t native = {};
  native.gridDim = config.grid;
  native.blockDim = config.block;
  native.dynamicSmemBytes = config.shared_bytes;
  native.stream = config.stream;
  return cudaLaunchKernelEx(&native, kernel, std::forward<Arguments>(arguments)...);
#else
  return cuda_emulator::launch(kernel, config.grid, config.block, config.shared_bytes, config.stream,
                               std::forward<Arguments>(arguments)...);
#endif
}

// The block's dynamic shared memory, LaunchConfig::shared_bytes of it, aligned to 16 bytes.
template <typename T>
__device__ T* dynamic_shared() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char dynamic_shared_bytes[];
  return reinterpret_cast<T*>(dynamic_shared_bytes);
#else
  return static_cast<T*>(cuda_emulator::dynamic_shared_memory());
#endif
}

}  // namespace espalier::cuda
