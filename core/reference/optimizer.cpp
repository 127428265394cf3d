#include <cmath>

#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {

void ReferenceBackend::sgd_step(Tensor& weight, const Tensor& gradient, Tensor& momentum, const Tensor& mask,
                                const SgdOptions& options) {
  dispatch(weight, [&]<typename T>(T) {
    const auto rate = static_cast<T>(options.learning_rate), inertia = static_cast<T>(options.momentum);
    const auto decay = static_cast<T>(options.weight_decay);
    T* w = weight.data<T>();
    T* m = momentum.defined() ? momentum.data<T>() : nullptr;
    for (int64_t i = 0; i < weight.numel(); ++i) {
      if (mask.defined() && mask.data<uint8_t>()[i] == 0) {
        w[i] = 0;
        if (m != nullptr) m[i] = 0;
        continue;
      }
      T step = gradient.data<T>()[i] + decay * w[i];
      if (options.momentum != 0.0) {
        m[i] = inertia * m[i] + step;
        step = options.nesterov ? step + inertia * m[i] : m[i];
      }
      w[i] -= rate * step;
    }
  });
}

void ReferenceBackend::adam_step(Tensor& weight, const Tensor& gradient, Tensor& first_moment,
                                 Tensor& second_moment, const Tensor& mask, const AdamOptions& options) {
  dispatch(weight, [&]<typename T>(T) {
    const auto step = static_cast<double>(options.step);
    const auto rate = static_cast<T>(options.learning_rate / (1.0 - std::pow(options.beta1, step)));
    const auto correction = static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(options.beta2, step)));
    const auto beta1 = static_cast<T>(options.beta1), beta2 = static_cast<T>(options.beta2);
    const auto decay = static_cast<T>(options.decoupled ? 0.0 : options.weight_decay);
    const auto keep =
        static_cast<T>(options.decoupled ? 1.0 - options.learning_rate * options.weight_decay : 1.0);
    T *w = weight.data<T>(), *first = first_moment.data<T>(), *second = second_moment.data<T>();
    for (int64_t i = 0; i < weight.numel(); ++i) {
      if (mask.defined() && mask.data<uint8_t>()[i] == 0) {
        w[i] = first[i] = second[i] = 0;
        continue;
      }
      const T g = gradient.data<T>()[i] + decay * w[i];
      first[i] = beta1 * first[i] + (1 - beta1) * g;
      second[i] = beta2 * second[i] + (1 - beta2) * g * g;
      w[i] = keep * w[i] -
             rate * first[i] / (std::sqrt(second[i]) * correction + static_cast<T>(options.epsilon));
    }
  });
}

void ReferenceBackend::apply_mask(Tensor& weight, const Tensor& mask) {
  dispatch(weight, [&]<typename T>(T) {
    for (int64_t i = 0; i < weight.numel(); ++i)
      if (mask.data<uint8_t>()[i] == 0) weight.data<T>()[i] = 0;
  });
}

}  // namespace espalier::reference
