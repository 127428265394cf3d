#include "cuda/kernels/optimizer.h"

#include <cmath>

#include "cuda/cuda_backend.h"

namespace espalier::cuda {
namespace {

const uint8_t* mask_data(const Tensor& mask) {
  return mask.defined() ? mask.data<uint8_t>() : nullptr;
}

}  // namespace

void CudaBackend::sgd_step(Tensor& weight, const Tensor& gradient, Tensor& momentum, const Tensor& mask,
                           const SgdOptions& options) {
  check_cuda(kernels::sgd_step({.weight = weight.data<float>(),
                                .momentum = momentum.defined() ? momentum.data<float>() : nullptr,
                                .gradient = gradient.data<float>(),
                                .mask = mask_data(mask),
                                .rate = static_cast<float>(options.learning_rate),
                                .inertia = static_cast<float>(options.momentum),
                                .decay = static_cast<float>(options.weight_decay),
                                .nesterov = options.nesterov},
                               weight.numel(), stream_),
             "sgd_step");
}

void CudaBackend::adam_step(Tensor& weight, const Tensor& gradient, Tensor& first_moment,
                            Tensor& second_moment, const Tensor& mask, const AdamOptions& options) {
  const auto step = static_cast<double>(options.step);
  check_cuda(kernels::adam_step(
                 {.weight = weight.data<float>(),
                  .first = first_moment.data<float>(),
                  .second = second_moment.data<float>(),
                  .gradient = gradient.data<float>(),
                  .mask = mask_data(mask),
                  .rate = static_cast<float>(options.learning_rate / (1.0 - std::pow(options.beta1, step))),
                  .beta1 = static_cast<float>(options.beta1),
                  .beta2 = static_cast<float>(options.beta2),
                  .epsilon = static_cast<float>(options.epsilon),
                  .correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(options.beta2, step))),
                  .decay = static_cast<float>(options.decoupled ? 0.0 : options.weight_decay),
                  .keep = static_cast<float>(
                      options.decoupled ? 1.0 - options.learning_rate * options.weight_decay : 1.0)},
                 weight.numel(), stream_),
             "adam_step");
}

void CudaBackend::apply_mask(Tensor& weight, const Tensor& mask) {
  check_cuda(kernels::apply_mask(weight.data<float>(), mask.data<uint8_t>(), weight.numel(), stream_),
             "apply_mask");
}

}  // namespace espalier::cuda
