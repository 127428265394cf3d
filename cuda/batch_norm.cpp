#include "cuda/kernels/batch_norm.h"

#include "cuda/cuda_backend.h"

namespace espalier::cuda {

void CudaBackend::batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift,
                             const Tensor& residual, Tensor& running_mean, Tensor& running_variance,
                             Tensor& batch_mean, Tensor& batch_inverse_std, Tensor& y,
                             const BatchNormOptions& options) {
  const int64_t rows = x.shape().rows(), columns = scale.numel();
  const auto sums = workspace(kernels::batch_norm_workspace(rows, columns));
  check_cuda(kernels::batch_norm({.x = x.data<float>(),
                                  .scale = scale.data<float>(),
                                  .shift = shift.data<float>(),
                                  .residual = residual.defined() ? residual.data<float>() : nullptr,
                                  .running_mean = running_mean.data<float>(),
                                  .running_variance = running_variance.data<float>(),
                                  .batch_mean = batch_mean.data<float>(),
                                  .batch_inverse_std = batch_inverse_std.data<float>(),
                                  .y = y.data<float>(),
                                  .rows = rows,
                                  .columns = columns,
                                  .momentum = options.momentum,
                                  .epsilon = options.epsilon,
                                  .clamp = clamp_of(options.activation)},
                                 sums.data(), stream_),
             "batch_norm");
}

void CudaBackend::batch_norm_affine(const Tensor& scale, const Tensor& shift, const Tensor& running_mean,
                                    const Tensor& running_variance, Tensor& factor, Tensor& offset,
                                    const BatchNormOptions& options) {
  check_cuda(kernels::batch_norm_affine({.scale = scale.data<float>(),
                                         .shift = shift.data<float>(),
                                         .running_mean = running_mean.data<float>(),
                                         .running_variance = running_variance.data<float>(),
                                         .factor = factor.data<float>(),
                                         .offset = offset.data<float>(),
                                         .columns = scale.numel(),
                                         .epsilon = static_cast<float>(options.epsilon)},
                                        stream_),
             "batch_norm_affine");
}

void CudaBackend::batch_norm_backward(const Tensor& x, const Tensor& scale, const Tensor&,
                                      const Tensor& batch_mean, const Tensor& batch_inverse_std,
                                      const Tensor& y, const Tensor& dy, Tensor& dx, Tensor& dscale,
                                      Tensor& dshift, Tensor& dresidual, const BatchNormOptions& options) {
  // What came through the activation; dx may hold it, since each of its elements is read before it is
  // written.
  Tensor dz = dy;
  if (options.activation) {
    dz = dresidual.defined() ? dresidual : dx;
    unary_backward(*options.activation, y, dy, dz);
  }
  const int64_t rows = x.shape().rows(), columns = scale.numel();
  const auto sums = workspace(kernels::batch_norm_workspace(rows, columns));
  check_cuda(kernels::batch_norm_backward({.x = x.data<float>(),
                                           .scale = scale.data<float>(),
                                           .batch_mean = batch_mean.data<float>(),
                                           .batch_inverse_std = batch_inverse_std.data<float>(),
                                           .dy = dz.data<float>(),
                                           .dx = dx.data<float>(),
                                           .dscale = dscale.data<float>(),
                                           .dshift = dshift.data<float>(),
                                           .rows = rows,
                                           .columns = columns},
                                          sums.data(), stream_),
             "batch_norm_backward");
}

}  // namespace espalier::cuda
