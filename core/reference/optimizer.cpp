#include <cmath>

#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {

namespace {

bool is_held(const Tensor* mask, int64_t i) {
  return mask != nullptr && mask->data<uint8_t>()[i] == 0;
}

void sgd_step_of(const SgdUpdate& update, const SgdOptions& options) {
  dispatch(*update.weight, [&]<typename T>(T) {
    const auto rate = static_cast<T>(options.learning_rate), inertia = static_cast<T>(options.momentum);
    const auto decay = static_cast<T>(update.weight_decay), factor = static_cast<T>(options.gradient_factor);
    T* w = update.weight->data<T>();
    T* m = update.momentum != nullptr ? update.momentum->data<T>() : nullptr;
    for (int64_t i = 0; i < update.weight->numel(); ++i) {
      if (is_held(update.mask, i)) {
        w[i] = 0;
        if (m != nullptr) m[i] = 0;
        continue;
      }
      T step = factor * update.gradient->data<T>()[i] + decay * w[i];
      if (options.momentum != 0.0) {
        m[i] = inertia * m[i] + step;
        step = options.nesterov ? step + inertia * m[i] : m[i];
      }
      w[i] -= rate * step;
    }
  });
}

void adam_step_of(const AdamUpdate& update, const AdamOptions& options) {
  dispatch(*update.weight, [&]<typename T>(T) {
    const auto step = static_cast<double>(options.step);
    const auto rate = static_cast<T>(options.learning_rate / (1.0 - std::pow(options.beta1, step)));
    const auto correction = static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(options.beta2, step)));
    const auto beta1 = static_cast<T>(options.beta1), beta2 = static_cast<T>(options.beta2);
    const auto factor = static_cast<T>(options.gradient_factor);
    const auto decay = static_cast<T>(options.decoupled ? 0.0 : update.weight_decay);
    const auto keep =
        static_cast<T>(options.decoupled ? 1.0 - options.learning_rate * update.weight_decay : 1.0);
    T *w = update.weight->data<T>(), *first = update.first_moment->data<T>(),
      *second = update.second_moment->data<T>();
    for (int64_t i = 0; i < update.weight->numel(); ++i) {
      if (is_held(update.mask, i)) {
        w[i] = first[i] = second[i] = 0;
        continue;
      }
      const T g = factor * update.gradient->data<T>()[i] + decay * w[i];
      first[i] = beta1 * first[i] + (1 - beta1) * g;
      second[i] = beta2 * second[i] + (1 - beta2) * g * g;
      w[i] = keep * w[i] -
             rate * first[i] / (std::sqrt(second[i]) * correction + static_cast<T>(options.epsilon));
    }
  });
}

}  // namespace

void ReferenceBackend::sgd_step(std::span<const SgdUpdate> updates, const SgdOptions& options) {
  for (const SgdUpdate& update : updates) sgd_step_of(update, options);
}

void ReferenceBackend::adam_step(std::span<const AdamUpdate> updates, const AdamOptions& options) {
  for (const AdamUpdate& update : updates) adam_step_of(update, options);
}

void ReferenceBackend::sum_of_squares(std::span<const MaskedGradient> gradients, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    double total = 0;
    for (const MaskedGradient& each : gradients)
      for (int64_t i = 0; i < each.gradient->numel(); ++i) {
        const auto value = static_cast<double>(each.gradient->data<T>()[i]);
        if (!is_held(each.mask, i)) total += value * value;
      }
    y.data<T>()[0] = static_cast<T>(total);
  });
}

void ReferenceBackend::apply_mask(Tensor& weight, const Tensor& mask) {
  dispatch(weight, [&]<typename T>(T) {
    for (int64_t i = 0; i < weight.numel(); ++i)
      if (mask.data<uint8_t>()[i] == 0) weight.data<T>()[i] = 0;
  });
}

}  // namespace espalier::reference
