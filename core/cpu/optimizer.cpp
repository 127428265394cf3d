#include <cmath>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"

namespace espalier::cpu {
namespace {

struct Sgd {
  float rate, momentum, decay;
};

ESPALIER_VECTORISED void plain_sgd(const Sgd& o, const float* g, float* w, int64_t count) {
  for (int64_t i = 0; i < count; ++i) w[i] -= o.rate * (g[i] + o.decay * w[i]);
}

ESPALIER_VECTORISED void momentum_sgd(const Sgd& o, const float* g, float* w, float* m, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    m[i] = o.momentum * m[i] + (g[i] + o.decay * w[i]);
    w[i] -= o.rate * m[i];
  }
}

ESPALIER_VECTORISED void nesterov_sgd(const Sgd& o, const float* g, float* w, float* m, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float step = g[i] + o.decay * w[i];
    m[i] = o.momentum * m[i] + step;
    w[i] -= o.rate * (step + o.momentum * m[i]);
  }
}

struct Adam {
  float rate, beta1, beta2, epsilon, correction, decay, keep;
};

ESPALIER_VECTORISED void adam(const Adam& o, const float* gradient, float* w, float* first, float* second,
                              int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] + o.decay * w[i];
    first[i] = o.beta1 * first[i] + (1.0f - o.beta1) * g;
    second[i] = o.beta2 * second[i] + (1.0f - o.beta2) * g * g;
    w[i] = o.keep * w[i] - o.rate * first[i] / (std::sqrt(second[i]) * o.correction + o.epsilon);
  }
}

ESPALIER_VECTORISED void clear_masked(const uint8_t* mask, float* x, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) x[i] = mask[i] != 0 ? x[i] : 0.0f;
}

}  // namespace

void CpuBackend::sgd_step(Tensor& weight, const Tensor& gradient, Tensor& momentum, const Tensor& mask,
                          const SgdOptions& options) {
  const Sgd sgd{static_cast<float>(options.learning_rate), static_cast<float>(options.momentum),
                static_cast<float>(options.weight_decay)};
  const float* g = gradient.data<float>();
  const uint8_t* keep = mask.defined() ? mask.data<uint8_t>() : nullptr;
  float* w = weight.data<float>();
  float* m = momentum.defined() ? momentum.data<float>() : nullptr;
  const bool moving = options.momentum != 0.0;
  const auto kernel = options.nesterov ? nesterov_sgd : momentum_sgd;
  for_each_chunk(weight.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    if (moving)
      kernel(sgd, g + begin, w + begin, m + begin, count);
    else
      plain_sgd(sgd, g + begin, w + begin, count);
    if (keep == nullptr) return;
    clear_masked(keep + begin, w + begin, count);
    if (m != nullptr) clear_masked(keep + begin, m + begin, count);
  });
}

void CpuBackend::adam_step(Tensor& weight, const Tensor& gradient, Tensor& first_moment,
                           Tensor& second_moment, const Tensor& mask, const AdamOptions& options) {
  const auto step = static_cast<double>(options.step);
  const Adam o{.rate = static_cast<float>(options.learning_rate / (1.0 - std::pow(options.beta1, step))),
               .beta1 = static_cast<float>(options.beta1),
               .beta2 = static_cast<float>(options.beta2),
               .epsilon = static_cast<float>(options.epsilon),
               .correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(options.beta2, step))),
               .decay = static_cast<float>(options.decoupled ? 0.0 : options.weight_decay),
               .keep = static_cast<float>(
                   options.decoupled ? 1.0 - options.learning_rate * options.weight_decay : 1.0)};
  const float* g = gradient.data<float>();
  const uint8_t* keep = mask.defined() ? mask.data<uint8_t>() : nullptr;
  float *w = weight.data<float>(), *first = first_moment.data<float>(), *second = second_moment.data<float>();
  for_each_chunk(weight.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    adam(o, g + begin, w + begin, first + begin, second + begin, end - begin);
    if (keep == nullptr) return;
    for (float* state : {w, first, second}) clear_masked(keep + begin, state + begin, end - begin);
  });
}

void CpuBackend::apply_mask(Tensor& weight, const Tensor& mask) {
  float* w = weight.data<float>();
  const uint8_t* keep = mask.data<uint8_t>();
  for_each_chunk(weight.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    clear_masked(keep + begin, w + begin, end - begin);
  });
}

}  // namespace espalier::cpu
