#include <algorithm>
#include <cmath>

#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {

void ReferenceBackend::batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift,
                                  const Tensor& residual, Tensor& running_mean, Tensor& running_variance,
                                  Tensor& batch_mean, Tensor& batch_inverse_std, Tensor& y,
                                  const BatchNormOptions& options) {
  dispatch(y, [&]<typename T>(T) {
    const int64_t columns = scale.numel(), size = x.numel(), rows = x.shape().rows();
    const T* from = x.data<T>();
    for (int64_t c = 0; c < columns; ++c) {
      double mean = 0, squares = 0;
      for (int64_t i = c; i < size; i += columns) mean += static_cast<double>(from[i]);
      if (rows > 0) mean /= static_cast<double>(rows);
      for (int64_t i = c; i < size; i += columns) squares += std::pow(static_cast<double>(from[i]) - mean, 2);
      const double variance = rows > 0 ? squares / static_cast<double>(rows) : 0.0;
      const double inverse_std = 1.0 / std::sqrt(variance + options.epsilon);
      batch_mean.data<T>()[c] = static_cast<T>(mean);
      batch_inverse_std.data<T>()[c] = static_cast<T>(inverse_std);
      for (int64_t i = c; i < size; i += columns)
        y.data<T>()[i] =
            static_cast<T>((static_cast<double>(from[i]) - mean) * inverse_std) * scale.data<T>()[c] +
            shift.data<T>()[c];
      if (rows == 0) continue;
      const double unbiased = squares / static_cast<double>(std::max<int64_t>(rows - 1, 1));
      const auto move = [&](T& running, double value) {
        running = static_cast<T>((1.0 - options.momentum) * static_cast<double>(running) +
                                 options.momentum * value);
      };
      move(running_mean.data<T>()[c], mean);
      move(running_variance.data<T>()[c], unbiased);
    }
  });
  epilogue(y, {.residual = residual, .activation = options.activation}, y);
}

void ReferenceBackend::batch_norm_affine(const Tensor& scale, const Tensor& shift, const Tensor& running_mean,
                                         const Tensor& running_variance, Tensor& factor, Tensor& offset,
                                         const BatchNormOptions& options) {
  dispatch(factor, [&]<typename T>(T) {
    for (int64_t c = 0; c < scale.numel(); ++c) {
      const T inverse_std = 1 / std::sqrt(running_variance.data<T>()[c] + static_cast<T>(options.epsilon));
      factor.data<T>()[c] = scale.data<T>()[c] * inverse_std;
      offset.data<T>()[c] = shift.data<T>()[c] - running_mean.data<T>()[c] * factor.data<T>()[c];
    }
  });
}

void ReferenceBackend::batch_norm_backward(const Tensor& x, const Tensor& scale, const Tensor&,
                                           const Tensor& batch_mean, const Tensor& batch_inverse_std,
                                           const Tensor& y, const Tensor& dy, Tensor& dx, Tensor& dscale,
                                           Tensor& dshift, Tensor& dresidual,
                                           const BatchNormOptions& options) {
  Tensor dz = dy;
  if (options.activation) {
    dz = Tensor(dy.shape(), dy.dtype(), dy.device());
    unary_backward(*options.activation, y, dy, dz);
  }
  if (dresidual.defined()) dresidual.copy_from(dz);
  dispatch(dy, [&]<typename T>(T) {
    const int64_t columns = scale.numel(), size = x.numel();
    const double rows = static_cast<double>(x.shape().rows());
    const T *from = x.data<T>(), *gradient = dz.data<T>();
    for (int64_t c = 0; c < columns; ++c) {
      const double mean = static_cast<double>(batch_mean.data<T>()[c]);
      const double inverse_std = static_cast<double>(batch_inverse_std.data<T>()[c]);
      const auto normalised = [&](int64_t i) { return (static_cast<double>(from[i]) - mean) * inverse_std; };
      double scale_gradient = 0, shift_gradient = 0;
      for (int64_t i = c; i < size; i += columns) {
        scale_gradient += static_cast<double>(gradient[i]) * normalised(i);
        shift_gradient += static_cast<double>(gradient[i]);
      }
      for (int64_t i = c; i < size; i += columns)
        dx.data<T>()[i] = static_cast<T>(static_cast<double>(scale.data<T>()[c]) * inverse_std *
                                         (static_cast<double>(gradient[i]) - shift_gradient / rows -
                                          normalised(i) * scale_gradient / rows));
      dscale.data<T>()[c] = static_cast<T>(scale_gradient);
      dshift.data<T>()[c] = static_cast<T>(shift_gradient);
    }
  });
}

}  // namespace espalier::reference
