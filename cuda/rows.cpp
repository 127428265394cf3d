#include "cuda/kernels/rows.h"

#include "cuda/cuda_backend.h"

namespace espalier::cuda {

void CudaBackend::epilogue(const Tensor& z, const Epilogue& epilogue, Tensor& y) {
  const auto pointer = [](const Tensor& tensor) { return tensor.defined() ? tensor.data<float>() : nullptr; };
  check_cuda(kernels::epilogue({.z = z.data<float>(),
                                .factor = pointer(epilogue.factor),
                                .offset = pointer(epilogue.offset),
                                .residual = pointer(epilogue.residual),
                                .clamp = clamp_of(epilogue.activation),
                                .y = y.data<float>(),
                                .rows = y.shape().rows(),
                                .columns = y.shape().columns()},
                               stream_),
             "epilogue");
}

void CudaBackend::sum_rows(const Tensor& x, Tensor& y) {
  const int64_t rows = x.shape().rows(), columns = y.numel();
  const auto parts = workspace(kernels::sum_rows_workspace(rows, columns));
  check_cuda(kernels::sum_rows(x.data<float>(), y.data<float>(), rows, columns, parts.data(), stream_),
             "sum_rows");
}

// A matrix of one column.
void CudaBackend::sum(const Tensor& x, Tensor& y) {
  const auto parts = workspace(kernels::sum_rows_workspace(x.numel(), 1));
  check_cuda(kernels::sum_rows(x.data<float>(), y.data<float>(), x.numel(), 1, parts.data(), stream_), "sum");
}

void CudaBackend::copy_columns(const Tensor& x, int64_t x_offset, Tensor& y, int64_t y_offset,
                               int64_t count) {
  check_cuda(
      kernels::copy_columns(x.data<float>() + x_offset, x.shape().columns(), y.data<float>() + y_offset,
                            y.shape().columns(), x.shape().rows(), count, stream_),
      "copy_columns");
}

}  // namespace espalier::cuda
