#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/options.h"

namespace espalier::cuda::kernels {

// y = clamp(z factor[c] + offset[c] + residual); null pointers leave a part out.
struct EpilogueArguments {
  const float *z, *factor, *offset, *residual;
  Clamp clamp;
  float* y;
  int64_t rows, columns;
};
cudaError_t epilogue(const EpilogueArguments& arguments, cudaStream_t stream);
// y[c] = sum over rows. `workspace`: sum_rows_workspace() doubles.
int64_t sum_rows_workspace(int64_t rows, int64_t columns);
cudaError_t sum_rows(const float* x, float* y, int64_t rows, int64_t columns, double* workspace,
                     cudaStream_t stream);
// y[r * y_columns + c] = x[r * x_columns + c] for c < count.
cudaError_t copy_columns(const float* x, int64_t x_columns, float* y, int64_t y_columns, int64_t rows,
                         int64_t count, cudaStream_t stream);

}  // namespace espalier::cuda::kernels
