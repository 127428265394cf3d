#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace espalier::cuda::kernels {

cudaError_t softmax(const float* x, float* y, int64_t rows, int64_t columns, cudaStream_t stream);
cudaError_t softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t columns,
                             cudaStream_t stream);
cudaError_t log_softmax(const float* x, float* y, int64_t rows, int64_t columns, cudaStream_t stream);
cudaError_t log_softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t columns,
                                 cudaStream_t stream);

// A label that is no class, in host memory that the device writes: a kernel cannot throw. `row` is -1 until
// one is met.
struct LabelFault {
  int64_t row = -1;
  int64_t classes = 0;
  int32_t label = 0;
};
struct CrossEntropyArguments {
  const float* logits;
  const int32_t* labels;
  float *loss, *probabilities;
  int64_t* correct;
  int64_t rows, columns;
  double smoothing;
  LabelFault* fault;
};
// `row_losses`: workspace of `rows` doubles. A row whose label is no class loses NaN.
cudaError_t cross_entropy(const CrossEntropyArguments& arguments, double* row_losses, uint8_t* row_hits,
                          cudaStream_t stream);
cudaError_t cross_entropy_backward(const float* probabilities, const int32_t* labels, double smoothing,
                                   const float* dloss, float* dlogits, int64_t rows, int64_t columns,
                                   cudaStream_t stream);

struct TotalsArguments {
  const float* loss;
  const int64_t* correct;
  int64_t images, batch;
  double* totals;
};
cudaError_t add_to_totals(const TotalsArguments& arguments, cudaStream_t stream);

}  // namespace espalier::cuda::kernels
