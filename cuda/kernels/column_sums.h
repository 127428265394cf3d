#pragma once

#include "cuda/kernels/for_each.h"

// Sums down the columns of a matrix, in double and in two passes: into how many parts the rows are cut
// depends on the matrix alone and each is added up in a fixed order, so the sums have the same bits in every
// run and on every device.
namespace espalier::cuda::kernels {

inline int64_t column_sum_parts(int64_t rows, int64_t columns) {
  const Tiles tiles(rows, columns);
  const int64_t most = std::max<int64_t>(1024 / std::max<int64_t>(tiles.across, 1), 1);
  return std::clamp<int64_t>((tiles.down + 3) / 4, 1, most);
}

template <int kSums, typename Body>
__global__ void __launch_bounds__(kBlock)
    column_sums_kernel(int64_t rows, int64_t columns, Body body, double* parts) {
  __shared__ double shared[kBlock];
  const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  double sums[kSums] = {};
  const int64_t step = static_cast<int64_t>(gridDim.y) * blockDim.y;
  if (c < columns)
    for (int64_t r = static_cast<int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; r < rows; r += step)
      body(r * columns + c, c, sums);
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
  for (int sum = 0; sum < kSums; ++sum) {
    shared[thread] = sums[sum];
    __syncthreads();
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
      if (threadIdx.y < half) shared[thread] += shared[thread + half * blockDim.x];
      __syncthreads();
    }
    if (threadIdx.y == 0 && c < columns)
      parts[(static_cast<int64_t>(blockIdx.y) * kSums + sum) * columns + c] = shared[thread];
  }
}

// The first pass: body(index, column, sums) adds element `index` to sums[kSums], and part p of sum s of
// column c is left in parts[(p * kSums + s) * columns + c]. REQUIRES: `parts` has room for column_sum_parts()
// times kSums * columns.
template <int kSums, typename Body>
cudaError_t column_sums(int64_t rows, int64_t columns, cudaStream_t stream, double* parts, Body body) {
  if (columns == 0) return cudaSuccess;
  const Tiles tiles(rows, columns);
  const dim3 grid(static_cast<unsigned>(tiles.across),
                  static_cast<unsigned>(column_sum_parts(rows, columns)));
  return launch(column_sums_kernel<kSums, Body>, LaunchConfig{grid, tiles.block(), 0, stream}, rows, columns,
                body, parts);
}

// The second pass, for one column and sum.
template <int kSums>
__device__ double add_parts(const double* parts, int64_t count, int64_t columns, int64_t c, int sum) {
  double total = 0;
  for (int64_t part = 0; part < count; ++part) total += parts[(part * kSums + sum) * columns + c];
  return total;
}

}  // namespace espalier::cuda::kernels
