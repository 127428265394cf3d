#include "cuda/kernels/gather.h"

#include "cuda/kernels/for_each.h"

namespace espalier::cuda::kernels {
namespace {

struct Gather {
  const float* table;
  const int32_t* codes;
  float* y;
  __device__ void operator()(int64_t i) const { y[i] = codes[i] < 0 ? 0.0f : table[codes[i]]; }
};

// Each of `parts` threads adds every parts-th gradient to a table of its own, then the tables are added up. A
// codebook has few entries, and float atomics would give other bits in every run. Tables are interleaved, so
// that threads on the same entry touch neighbours.
struct ScatterPart {
  const float* dy;
  const int32_t* codes;
  int64_t count, parts;
  double* tables;
  __device__ void operator()(int64_t part) const {
    for (int64_t i = part; i < count; i += parts)
      if (codes[i] >= 0) tables[codes[i] * parts + part] += static_cast<double>(dy[i]);
  }
};

// A block adds up the parts of one entry.
__global__ void __launch_bounds__(kBlock) add_tables(const double* tables, int64_t parts, float* dtable) {
  __shared__ double shared[kBlock];
  double total = 0;
  for (int64_t part = threadIdx.x; part < parts; part += kBlock)
    total += tables[static_cast<int64_t>(blockIdx.x) * parts + part];
  shared[threadIdx.x] = total;
  __syncthreads();
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) dtable[blockIdx.x] = static_cast<float>(shared[0]);
}

// Enough threads to fill a device, each with 16 gradients or more, in 8 MiB of tables.
int64_t scatter_parts(int64_t count, int64_t table_size) {
  const int64_t most = std::min<int64_t>((int64_t{1} << 20) / std::max<int64_t>(table_size, 1), 16384);
  return std::clamp<int64_t>(count / 16, 1, std::max<int64_t>(most, 1));
}

}  // namespace

cudaError_t gather(const float* table, const int32_t* codes, float* y, int64_t count, cudaStream_t stream) {
  return for_each(count, stream, Gather{table, codes, y});
}

int64_t scatter_add_workspace(int64_t count, int64_t table_size) {
  return scatter_parts(count, table_size) * table_size;
}

cudaError_t scatter_add(const float* dy, const int32_t* codes, int64_t count, float* dtable,
                        int64_t table_size, double* workspace, cudaStream_t stream) {
  if (table_size == 0) return cudaSuccess;
  const int64_t parts = scatter_parts(count, table_size);
  const auto bytes = static_cast<size_t>(parts * table_size) * sizeof(double);
  cudaError_t status = cudaMemsetAsync(workspace, 0, bytes, stream);  // zeros of double
  if (status == cudaSuccess)
    status = for_each(parts, stream, ScatterPart{dy, codes, count, parts, workspace});
  if (status == cudaSuccess)
    status =
        launch(add_tables, LaunchConfig{dim3(static_cast<unsigned>(table_size)), dim3(kBlock), 0, stream},
               workspace, parts, dtable);
  return status;
}

}  // namespace espalier::cuda::kernels
