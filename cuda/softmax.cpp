#include "cuda/kernels/softmax.h"

#include "cuda/cuda_backend.h"

namespace espalier::cuda {

void CudaBackend::softmax(const Tensor& x, Tensor& y) {
  check_cuda(
      kernels::softmax(x.data<float>(), y.data<float>(), x.shape().rows(), x.shape().columns(), stream_),
      "softmax");
}

void CudaBackend::softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  check_cuda(kernels::softmax_backward(y.data<float>(), dy.data<float>(), dx.data<float>(), y.shape().rows(),
                                       y.shape().columns(), stream_),
             "softmax_backward");
}

void CudaBackend::log_softmax(const Tensor& x, Tensor& y) {
  check_cuda(
      kernels::log_softmax(x.data<float>(), y.data<float>(), x.shape().rows(), x.shape().columns(), stream_),
      "log_softmax");
}

void CudaBackend::log_softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  check_cuda(kernels::log_softmax_backward(y.data<float>(), dy.data<float>(), dx.data<float>(),
                                           y.shape().rows(), y.shape().columns(), stream_),
             "log_softmax_backward");
}

void CudaBackend::cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& loss,
                                Tensor& probabilities, Tensor& correct) {
  const int64_t rows = logits.shape().rows();
  const Workspace<double> losses(allocator_, static_cast<size_t>(rows));
  const Workspace<uint8_t> hits(allocator_, static_cast<size_t>(rows));
  check_cuda(kernels::cross_entropy({.logits = logits.data<float>(),
                                     .labels = labels.data<int32_t>(),
                                     .loss = loss.data<float>(),
                                     .probabilities = probabilities.data<float>(),
                                     .correct = correct.data<int64_t>(),
                                     .rows = rows,
                                     .columns = logits.shape().columns(),
                                     .smoothing = smoothing,
                                     .fault = fault_},
                                    losses.data(), hits.data(), stream_),
             "cross_entropy");
}

void CudaBackend::cross_entropy_backward(const Tensor& probabilities, const Tensor& labels, double smoothing,
                                         const Tensor& dloss, Tensor& dlogits) {
  check_cuda(
      kernels::cross_entropy_backward(probabilities.data<float>(), labels.data<int32_t>(), smoothing,
                                      dloss.data<float>(), dlogits.data<float>(),
                                      probabilities.shape().rows(), probabilities.shape().columns(), stream_),
      "cross_entropy_backward");
}

void CudaBackend::add_to_totals(const Tensor& loss, const Tensor& correct, int64_t images, int64_t batch,
                                Tensor& totals) {
  check_cuda(kernels::add_to_totals({.loss = loss.data<float>(),
                                     .correct = correct.data<int64_t>(),
                                     .images = images,
                                     .batch = batch,
                                     .totals = totals.data<double>()},
                                    stream_),
             "add_to_totals");
}

}  // namespace espalier::cuda
