#include "cuda/kernels/batch_norm.h"

#include "cuda/cuda_backend.h"

namespace espalier::cuda {

void CudaBackend::batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, Tensor& running_mean,
                             Tensor& running_variance, Tensor& batch_mean, Tensor& batch_inverse_std,
                             Tensor& y, const BatchNormOptions& options) {
  const int64_t rows = x.shape().rows(), columns = scale.numel();
  const auto sums = workspace(kernels::batch_norm_workspace(rows, columns));
  check_cuda(kernels::batch_norm({.x = x.data<float>(),
                                  .scale = scale.data<float>(),
                                  .shift = shift.data<float>(),
                                  .running_mean = running_mean.data<float>(),
                                  .running_variance = running_variance.data<float>(),
                                  .batch_mean = batch_mean.data<float>(),
                                  .batch_inverse_std = batch_inverse_std.data<float>(),
                                  .y = y.data<float>(),
                                  .rows = rows,
                                  .columns = columns,
                                  .momentum = options.momentum,
                                  .epsilon = options.epsilon},
                                 sums.data(), stream_),
             "batch_norm");
}

void CudaBackend::batch_norm_inference(const Tensor& x, const Tensor& scale, const Tensor& shift,
                                       const Tensor& running_mean, const Tensor& running_variance, Tensor& y,
                                       const BatchNormOptions& options) {
  check_cuda(kernels::batch_norm_inference({.x = x.data<float>(),
                                            .scale = scale.data<float>(),
                                            .shift = shift.data<float>(),
                                            .running_mean = running_mean.data<float>(),
                                            .running_variance = running_variance.data<float>(),
                                            .y = y.data<float>(),
                                            .rows = x.shape().rows(),
                                            .columns = scale.numel(),
                                            .epsilon = static_cast<float>(options.epsilon)},
                                           stream_),
             "batch_norm_inference");
}

void CudaBackend::batch_norm_backward(const Tensor& x, const Tensor& scale, const Tensor& batch_mean,
                                      const Tensor& batch_inverse_std, const Tensor& dy, Tensor& dx,
                                      Tensor& dscale, Tensor& dshift) {
  const int64_t rows = x.shape().rows(), columns = scale.numel();
  const auto sums = workspace(kernels::batch_norm_workspace(rows, columns));
  check_cuda(kernels::batch_norm_backward({.x = x.data<float>(),
                                           .scale = scale.data<float>(),
                                           .batch_mean = batch_mean.data<float>(),
                                           .batch_inverse_std = batch_inverse_std.data<float>(),
                                           .dy = dy.data<float>(),
                                           .dx = dx.data<float>(),
                                           .dscale = dscale.data<float>(),
                                           .dshift = dshift.data<float>(),
                                           .rows = rows,
                                           .columns = columns},
                                          sums.data(), stream_),
             "batch_norm_backward");
}

}  // namespace espalier::cuda
