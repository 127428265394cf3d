#include "tests/cuda_emulator_test/kernels.h"

#include "cuda/kernel.h"

namespace espalier::test {
namespace {

constexpr unsigned kAll = 0xFFFFFFFF;

__device__ float warp_sum(float value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(kAll, value, offset);
  return value;
}

template <bool barrier>
__global__ void __launch_bounds__(1024)
    block_sums_kernel(const float* __restrict__ values, int count, float* sums) {
  __shared__ float partial[32];
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  float sum = warp_sum(i < count ? __ldg(values + i) : 0.0f);
  if (threadIdx.x % warpSize == 0) partial[threadIdx.x / warpSize] = sum;
  if (barrier) __syncthreads();
  if (threadIdx.x < 32) {
    sum = warp_sum(threadIdx.x < blockDim.x / warpSize ? partial[threadIdx.x] : 0.0f);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
  }
}

__device__ float block_sum(float value, float* partial) {
  value = warp_sum(value);
  if (threadIdx.x % warpSize == 0) partial[threadIdx.x / warpSize] = value;
  __syncthreads();
  float sum = 0.0f;
  for (unsigned i = 0; i < blockDim.x / warpSize; ++i) sum += partial[i];
  return sum;
}

template <bool barrier>
__global__ void sums_in_turn_kernel(const float* values, float* out) {
  __shared__ float partial[32];
  const float first = block_sum(values[threadIdx.x], partial);
  if (barrier) __syncthreads();
  out[threadIdx.x] = first + block_sum(2.0f * values[threadIdx.x], partial);
}

__global__ void increment_kernel(float* values, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) values[i] += 1.0f;
}

__global__ void increment_view_kernel(View view) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < view.count) view.values[i] += static_cast<float>(view.step);
}

__global__ void divergent_barrier_kernel(int* out) {
  if (threadIdx.x < blockDim.x / 2) __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void two_barriers_kernel(int* out) {
  if (threadIdx.x < blockDim.x / 2)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void histogram_kernel(const int* values, int count, int* counts) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) atomicAdd(counts + values[i], 1);
}

__global__ void reverse_kernel(const float* values, float* reversed) {
  float* const shared = cuda::dynamic_shared<float>();
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  shared[threadIdx.x] = values[i];
  __syncthreads();
  reversed[i] = shared[blockDim.x - 1 - threadIdx.x];
}

__global__ void warp_operations_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  int* const row = out + 8 * lane;
  row[0] = __shfl_sync(kAll, lane, 5);
  row[1] = __shfl_up_sync(kAll, lane, 1);
  row[2] = __shfl_down_sync(kAll, lane, 1);
  row[3] = __shfl_xor_sync(kAll, lane, 3);
  row[4] = __shfl_down_sync(kAll, lane, 2, 8);
  row[5] = static_cast<int>(__ballot_sync(kAll, lane % 2));
  row[6] = __any_sync(kAll, lane == 31);
  row[7] = __all_sync(kAll, lane < 31);
  __syncwarp();
}

__global__ void divergent_shuffle_kernel(int* out) {
  if (threadIdx.x == 3)
    __syncthreads();
  else
    out[threadIdx.x] = __shfl_sync(kAll, 1, 0);
}

__global__ void shared_overrun_kernel(float* out) {
  cuda::dynamic_shared<float>()[blockDim.x + threadIdx.x] = 1.0f;
  out[threadIdx.x] = 1.0f;
}

unsigned blocks(int count, int threads) {
  return static_cast<unsigned>((count + threads - 1) / threads);
}

}  // namespace

cudaError_t block_sums(const float* values, int count, float* sums, int threads, cudaStream_t stream) {
  return cuda::launch(block_sums_kernel<true>,
                      {blocks(count, threads), static_cast<unsigned>(threads), 0, stream}, values, count,
                      sums);
}

cudaError_t block_sums_without_barrier(const float* values, int count, float* sums, int threads) {
  return cuda::launch(block_sums_kernel<false>, {blocks(count, threads), static_cast<unsigned>(threads)},
                      values, count, sums);
}

cudaError_t sums_in_turn(const float* values, float* out, bool barrier) {
  return cuda::launch(barrier ? sums_in_turn_kernel<true> : sums_in_turn_kernel<false>, {1, 256}, values,
                      out);
}

cudaError_t increment(float* values, int count, int beyond, cudaStream_t stream) {
  return cuda::launch(increment_kernel, {blocks(count + beyond, 256), 256, 0, stream}, values,
                      count + beyond);
}

cudaError_t increment_view(View view) {
  return cuda::launch(increment_view_kernel, {blocks(view.count, 256), 256}, view);
}

cudaError_t divergent_barrier(int* out) {
  return cuda::launch(divergent_barrier_kernel, {1, 64}, out);
}

cudaError_t two_barriers(int* out) {
  return cuda::launch(two_barriers_kernel, {1, 64}, out);
}

cudaError_t histogram(const int* values, int count, int* counts) {
  return cuda::launch(histogram_kernel, {blocks(count, 128), 128}, values, count, counts);
}

cudaError_t reverse(const float* values, float* reversed, int count) {
  return cuda::launch(reverse_kernel, {blocks(count, 64), 64, 64 * sizeof(float)}, values, reversed);
}

cudaError_t warp_operations(int* out) {
  return cuda::launch(warp_operations_kernel, {1, 32}, out);
}

cudaError_t divergent_shuffle(int* out) {
  return cuda::launch(divergent_shuffle_kernel, {1, 32}, out);
}

cudaError_t shared_overrun(float* out) {
  return cuda::launch(shared_overrun_kernel, {1, 32, 32 * sizeof(float)}, out);
}

}  // namespace espalier::test
