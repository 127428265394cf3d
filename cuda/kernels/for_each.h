#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/kernel.h"

// The two shapes of parallel loops that most kernels are. A body is a struct whose operator() runs on the
// device.
namespace espalier::cuda::kernels {

constexpr int kBlock = 256;

template <typename Body>
__global__ void __launch_bounds__(kBlock) for_each_kernel(int64_t count, Body body) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) body(i);
}

// body(i) for i in [0, count).
template <typename Body>
cudaError_t for_each(int64_t count, cudaStream_t stream, Body body) {
  if (count == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>(std::min<int64_t>((count + kBlock - 1) / kBlock, 1 << 16));
  return launch(for_each_kernel<Body>, LaunchConfig{dim3(blocks), dim3(kBlock), 0, stream}, count, body);
}

// How the threads of a block lie over a (rows, columns) matrix: along the columns up to a warp's width, so
// that neighbours read neighbours, the rest along the rows.
struct Tiles {
  Tiles(int64_t rows, int64_t columns) {
    while (width < 32 && width < columns) width *= 2;
    height = kBlock / width;
    across = (columns + width - 1) / width;
    down = (rows + height - 1) / height;
  }
  dim3 block() const { return {static_cast<unsigned>(width), static_cast<unsigned>(height)}; }

  int width = 1, height;
  int64_t across, down;
};

template <typename Body>
__global__ void __launch_bounds__(kBlock)
    for_each_in_columns_kernel(int64_t rows, int64_t columns, Body body) {
  const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= columns) return;
  const int64_t step = static_cast<int64_t>(gridDim.y) * blockDim.y;
  for (int64_t r = static_cast<int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; r < rows; r += step)
    body(r, c);
}

// body(row, column) for every element of a (rows, columns) matrix; spares the division that a flat index
// costs.
template <typename Body>
cudaError_t for_each_in_columns(int64_t rows, int64_t columns, cudaStream_t stream, Body body) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  const Tiles tiles(rows, columns);
  const dim3 grid(static_cast<unsigned>(tiles.across),
                  static_cast<unsigned>(std::min<int64_t>(tiles.down, 1 << 14)));
  return launch(for_each_in_columns_kernel<Body>, LaunchConfig{grid, tiles.block(), 0, stream}, rows, columns,
                body);
}

}  // namespace espalier::cuda::kernels
