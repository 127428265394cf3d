#pragma once

// CUDA's kernel language for the host compiler, as far as the backend's kernels use it; see cuda/kernel.h. It
// differs from CUDA in these points: static __shared__ variables hold at first what the block before left in
// them, and threads run one at a time (see block.h).

#include <cuda_runtime_api.h>
#include <vector_functions.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tests/cuda_emulator/block.h"

// The toolkit's headers define __global__, __device__ and the like as nothing for a host compiler.
#undef __shared__
#define __shared__ static
#ifndef __launch_bounds__
#define __launch_bounds__(...)
#endif

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = espalier::cuda_emulator::kWarpSize;

// --- barriers and warps ----------------------------------------------------------------------------------

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  espalier::cuda_emulator::block_barrier(where);
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFF,
                       std::source_location where = std::source_location::current()) {
  espalier::cuda_emulator::warp_operation(espalier::cuda_emulator::WarpOp::sync, mask, 0, 0, 32, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location where = std::source_location::current()) {
  using namespace espalier::cuda_emulator;
  return static_cast<unsigned>(warp_operation(WarpOp::ballot, mask, predicate != 0, 0, 32, where));
}
inline int __any_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return __ballot_sync(mask, predicate, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return __ballot_sync(mask, !predicate, where) == 0;
}

namespace espalier::cuda_emulator {

template <typename T>
T shuffle(WarpOp op, unsigned mask, T value, int argument, int width, std::source_location where) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = warp_operation(op, mask, bits, argument, width, where);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace espalier::cuda_emulator

#define ESPALIER_SHUFFLE(name, op)                                                            \
  template <typename T>                                                                       \
  T name(unsigned mask, T value, int argument, int width = 32,                                \
         std::source_location where = std::source_location::current()) {                      \
    using namespace espalier::cuda_emulator;                                                  \
    return espalier::cuda_emulator::shuffle(WarpOp::op, mask, value, argument, width, where); \
  }
ESPALIER_SHUFFLE(__shfl_sync, shuffle)
ESPALIER_SHUFFLE(__shfl_up_sync, shuffle_up)
ESPALIER_SHUFFLE(__shfl_down_sync, shuffle_down)
ESPALIER_SHUFFLE(__shfl_xor_sync, shuffle_xor)
#undef ESPALIER_SHUFFLE

inline void __threadfence() {}
inline void __threadfence_block() {}

// --- atomics: threads take turns, so plain arithmetic is atomic ------------------------------------------

#define ESPALIER_ATOMIC(name, expression)             \
  template <typename T>                               \
  T name(T* address, std::type_identity_t<T> value) { \
    static_assert(std::is_arithmetic_v<T>);           \
    const T old = *address;                           \
    *address = expression;                            \
    return old;                                       \
  }
ESPALIER_ATOMIC(atomicAdd, static_cast<T>(old + value))
ESPALIER_ATOMIC(atomicSub, static_cast<T>(old - value))
ESPALIER_ATOMIC(atomicMax, old < value ? value : old)
ESPALIER_ATOMIC(atomicMin, value < old ? value : old)
ESPALIER_ATOMIC(atomicAnd, static_cast<T>(old& value))
ESPALIER_ATOMIC(atomicOr, static_cast<T>(old | value))
ESPALIER_ATOMIC(atomicExch, value)
#undef ESPALIER_ATOMIC

template <typename T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  const T old = *address;
  if (old == compare) *address = value;
  return old;
}

// --- loads and arithmetic --------------------------------------------------------------------------------

template <typename T>
T __ldg(const T* address) {
  return *address;
}
template <typename T>
T __ldcs(const T* address) {
  return *address;
}
template <typename T>
void __stcs(T* address, std::type_identity_t<T> value) {
  *address = value;
}

// The C library has these names for its own.
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fsqrt_rn(float x) {
  return std::sqrt(x);
}
inline float __fadd_rn(float x, float y) {
  return x + y;
}
inline float __fmul_rn(float x, float y) {
  return x * y;
}
inline float __fmaf_rn(float x, float y, float z) {
  return std::fma(x, y, z);
}
inline float __saturatef(float x) {
  return x < 1.0f ? (x > 0.0f ? x : 0.0f) : 1.0f;
}
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline double rsqrt(double x) {
  return 1.0 / std::sqrt(x);
}

inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
inline int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1;
}
inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(uint64_t{x} * y >> 32);
}
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  __extension__ typedef unsigned __int128 Wide;
  return static_cast<unsigned long long>(static_cast<Wide>(x) * y >> 64);
}

template <typename T>
T max(T x, T y) {
  return x < y ? y : x;
}
template <typename T>
T min(T x, T y) {
  return y < x ? y : x;
}

// --- launching -------------------------------------------------------------------------------------------

namespace espalier::cuda_emulator {

// Queues the kernel on the stream, after checking the geometry and every pointer in the arguments' bytes.
cudaError_t launch_kernel(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                          std::function<void()> thread,
                          std::span<const std::span<const std::byte>> arguments);

// Bytes between and behind a struct's members hold what was there before, which may be a pointer.
template <typename T>
void clear_padding([[maybe_unused]] T& value) {
#if __has_builtin(__builtin_clear_padding)
  if constexpr (std::is_class_v<T>) __builtin_clear_padding(&value);
#endif
}

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, Arguments&&... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "kernels take plain values");
  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  std::apply([](auto&... value) { (clear_padding(value), ...); }, values);
  const auto bytes = std::apply(
      [](const auto&... value) {
        return std::array<std::span<const std::byte>, sizeof...(Parameters)>{
            std::as_bytes(std::span(&value, 1))...};
      },
      values);
  return launch_kernel(
      grid, block, shared_bytes, stream, [kernel, values] { std::apply(kernel, values); }, bytes);
}

}  // namespace espalier::cuda_emulator
