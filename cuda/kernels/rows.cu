#include "cuda/kernels/rows.h"

#include "cuda/kernels/column_sums.h"

namespace espalier::cuda::kernels {
namespace {

struct Follow {
  EpilogueArguments a;
  __device__ void operator()(int64_t r, int64_t c) const {
    const int64_t i = r * a.columns + c;
    float value = a.z[i];
    if (a.factor != nullptr) value *= a.factor[c];
    if (a.offset != nullptr) value += a.offset[c];
    if (a.residual != nullptr) value += a.residual[i];
    // So that NaN passes.
    if (value < a.clamp.lowest) value = a.clamp.lowest;
    if (value > a.clamp.highest) value = a.clamp.highest;
    a.y[i] = value;
  }
};

struct CopyColumns {
  const float* x;
  int64_t x_columns;
  float* y;
  int64_t y_columns;
  __device__ void operator()(int64_t r, int64_t c) const { y[r * y_columns + c] = x[r * x_columns + c]; }
};

struct Value {
  const float* x;
  __device__ void operator()(int64_t i, int64_t, double (&sums)[1]) const {
    sums[0] += static_cast<double>(x[i]);
  }
};

struct AddParts {
  const double* parts;
  int64_t count, columns;
  float* y;
  __device__ void operator()(int64_t c) const {
    y[c] = static_cast<float>(add_parts<1>(parts, count, columns, c, 0));
  }
};

}  // namespace

cudaError_t epilogue(const EpilogueArguments& arguments, cudaStream_t stream) {
  return for_each_in_columns(arguments.rows, arguments.columns, stream, Follow{arguments});
}

int64_t sum_rows_workspace(int64_t rows, int64_t columns) {
  return column_sum_parts(rows, columns) * columns;
}

cudaError_t sum_rows(const float* x, float* y, int64_t rows, int64_t columns, double* workspace,
                     cudaStream_t stream) {
  cudaError_t status = column_sums<1>(rows, columns, stream, workspace, Value{x});
  if (status == cudaSuccess)
    status = for_each(columns, stream, AddParts{workspace, column_sum_parts(rows, columns), columns, y});
  return status;
}

cudaError_t copy_columns(const float* x, int64_t x_columns, float* y, int64_t y_columns, int64_t rows,
                         int64_t count, cudaStream_t stream) {
  return for_each_in_columns(rows, count, stream, CopyColumns{x, x_columns, y, y_columns});
}

}  // namespace espalier::cuda::kernels
