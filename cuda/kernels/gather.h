#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace espalier::cuda::kernels {

cudaError_t gather(const float* table, const int32_t* codes, float* y, int64_t count, cudaStream_t stream);
// `workspace`: scatter_add_workspace() doubles.
int64_t scatter_add_workspace(int64_t count, int64_t table_size);
cudaError_t scatter_add(const float* dy, const int32_t* codes, int64_t count, float* dtable,
                        int64_t table_size, double* workspace, cudaStream_t stream);

}  // namespace espalier::cuda::kernels
