#pragma once

#include <cuda_runtime_api.h>

// Kernels as a backend has them, and the same with faults planted.
namespace espalier::test {

// sums[b] = the sum of block b's part of values, in blocks of `threads`.
cudaError_t block_sums(const float* values, int count, float* sums, int threads,
                       cudaStream_t stream = nullptr);
// With the barrier between writing shared memory and reading it left out.
cudaError_t block_sums_without_barrier(const float* values, int count, float* sums, int threads);
// out[i] = the sum of all 256 values, and of their doubles, by one block that uses its shared memory twice;
// with or without the barrier between the two uses.
cudaError_t sums_in_turn(const float* values, float* out, bool barrier);
// values[i] += 1 for i < count; `beyond` more elements are written than there are.
cudaError_t increment(float* values, int count, int beyond = 0, cudaStream_t stream = nullptr);
// values[i] += step, with all arguments in a struct.
struct View {
  int count;
  int step;
  float* values;
};
cudaError_t increment_view(View view);
// A barrier that only the first half of the block comes to.
cudaError_t divergent_barrier(int* out);
// Two halves of the block at two barriers.
cudaError_t two_barriers(int* out);
// counts[v] = how often v occurs.
cudaError_t histogram(const int* values, int count, int* counts);
// Reversed in blocks of 64, through dynamic shared memory.
cudaError_t reverse(const float* values, float* reversed, int count);
// out[lane] = what each warp operation gives, eight per lane.
cudaError_t warp_operations(int* out);
// A shuffle whose mask names a lane that waits at a barrier.
cudaError_t divergent_shuffle(int* out);
// Writes one element past the dynamic shared memory.
cudaError_t shared_overrun(float* out);

}  // namespace espalier::test
