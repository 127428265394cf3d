#pragma once

#include "cuda/kernels/for_each.h"
#include "cuda/kernels/pieces.h"

namespace espalier::cuda::kernels {

constexpr int64_t kPieceChunk = 4096;

template <typename Row>
int64_t chunks(const Pieces<Row>& pieces) {
  return (pieces.total + kPieceChunk - 1) / kPieceChunk;
}

// body(row, i) for those elements of the chunk that are this thread's, i counted from the row's first.
template <typename Row, typename Body>
__device__ void for_each_in_chunk(const Pieces<Row>& pieces, int64_t chunk, Body body) {
  int64_t begin = chunk * kPieceChunk;
  const int64_t end = begin + kPieceChunk < pieces.total ? begin + kPieceChunk : pieces.total;
  int row = 0;
  for (int last = pieces.count - 1; row < last;) {  // the first row that ends after `begin`
    const int middle = (row + last) / 2;
    if (pieces.rows[middle].end <= begin)
      row = middle + 1;
    else
      last = middle;
  }
  for (; begin < end; ++row) {
    const Row here = pieces.rows[row];
    const int64_t start = row == 0 ? 0 : pieces.rows[row - 1].end, stop = here.end < end ? here.end : end;
    for (int64_t i = begin - start + threadIdx.x; i < stop - start; i += blockDim.x) body(here, i);
    begin = stop;
  }
}

template <typename Row, typename Body>
__global__ void __launch_bounds__(kBlock) for_each_piece_kernel(Pieces<Row> pieces, Body body) {
  for_each_in_chunk(pieces, blockIdx.x, body);
}

// body(row, i) for every element i of every row.
template <typename Row, typename Body>
cudaError_t for_each_piece(const Pieces<Row>& pieces, cudaStream_t stream, Body body) {
  if (pieces.total == 0) return cudaSuccess;
  const dim3 grid(static_cast<unsigned>(chunks(pieces)));
  return launch(for_each_piece_kernel<Row, Body>, LaunchConfig{grid, dim3(kBlock), 0, stream}, pieces, body);
}

}  // namespace espalier::cuda::kernels
