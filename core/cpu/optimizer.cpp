#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"

namespace espalier::cpu {
namespace {

struct Sgd {
  float rate, factor, inertia;
  float now, moved;  // the weight moves along now * gradient + moved * momentum
};
struct SgdArrays {
  const float* gradient;
  float *weight, *momentum;
  const uint8_t* mask;
  float decay;
};

// What is inlined into a vectorised function is vectorised with it.
template <bool kMasked>
[[gnu::always_inline]] inline void plain_sgd(const Sgd& o, const SgdArrays& a, int64_t begin, int64_t end) {
  const float* g = a.gradient;
  const uint8_t* mask = a.mask;
  float* w = a.weight;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float weight = w[i] - o.rate * (o.factor * g[i] + a.decay * w[i]);
    w[i] = kMasked && mask[i] == 0 ? 0.0f : weight;
  }
}

template <bool kMasked>
[[gnu::always_inline]] inline void momentum_sgd(const Sgd& o, const SgdArrays& a, int64_t begin,
                                                int64_t end) {
  const float* g = a.gradient;
  const uint8_t* mask = a.mask;
  float *w = a.weight, *m = a.momentum;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float step = o.factor * g[i] + a.decay * w[i];
    const float momentum = o.inertia * m[i] + step;
    const float weight = w[i] - o.rate * (o.now * step + o.moved * momentum);
    m[i] = kMasked && mask[i] == 0 ? 0.0f : momentum;
    w[i] = kMasked && mask[i] == 0 ? 0.0f : weight;
  }
}

ESPALIER_VECTORISED void sgd(const Sgd& o, const SgdArrays& a, int64_t begin, int64_t end) {
  if (a.momentum == nullptr)
    a.mask == nullptr ? plain_sgd<false>(o, a, begin, end) : plain_sgd<true>(o, a, begin, end);
  else
    a.mask == nullptr ? momentum_sgd<false>(o, a, begin, end) : momentum_sgd<true>(o, a, begin, end);
}

struct Adam {
  float rate, factor, beta1, beta2, epsilon, correction;
};
struct AdamArrays {
  const float* gradient;
  float *weight, *first, *second;
  const uint8_t* mask;
  float decay, keep;
};

template <bool kMasked>
[[gnu::always_inline]] inline void adam(const Adam& o, const AdamArrays& a, int64_t begin, int64_t end) {
  const float* gradient = a.gradient;
  const uint8_t* mask = a.mask;
  float *w = a.weight, *first = a.first, *second = a.second;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float g = o.factor * gradient[i] + a.decay * w[i];
    const float mean = o.beta1 * first[i] + (1.0f - o.beta1) * g;
    const float square = o.beta2 * second[i] + (1.0f - o.beta2) * g * g;
    const float weight = a.keep * w[i] - o.rate * mean / (std::sqrt(square) * o.correction + o.epsilon);
    first[i] = kMasked && mask[i] == 0 ? 0.0f : mean;
    second[i] = kMasked && mask[i] == 0 ? 0.0f : square;
    w[i] = kMasked && mask[i] == 0 ? 0.0f : weight;
  }
}

ESPALIER_VECTORISED void adam(const Adam& o, const AdamArrays& a, int64_t begin, int64_t end) {
  a.mask == nullptr ? adam<false>(o, a, begin, end) : adam<true>(o, a, begin, end);
}

ESPALIER_VECTORISED double sum_of_squares(const float* x, const uint8_t* mask, int64_t begin, int64_t end) {
  double total = 0;
  if (mask == nullptr) {
#pragma omp simd reduction(+ : total)
    for (int64_t i = begin; i < end; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  } else {
    for (int64_t i = begin; i < end; ++i)
      if (mask[i] != 0) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return total;
}

ESPALIER_VECTORISED void clear_masked(const uint8_t* mask, float* x, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) x[i] = mask[i] != 0 ? x[i] : 0.0f;
}

float* floats(Tensor* tensor) {
  return tensor == nullptr ? nullptr : tensor->data<float>();
}
const uint8_t* bytes(const Tensor* mask) {
  return mask == nullptr ? nullptr : mask->data<uint8_t>();
}

int64_t end_after(const std::vector<int64_t>& ends, const Tensor& next) {
  return (ends.empty() ? 0 : ends.back()) + next.numel();
}

}  // namespace

void CpuBackend::sgd_step(std::span<const SgdUpdate> updates, const SgdOptions& options) {
  const auto inertia = static_cast<float>(options.momentum);
  const Sgd o{.rate = static_cast<float>(options.learning_rate),
              .factor = static_cast<float>(options.gradient_factor),
              .inertia = inertia,
              .now = options.nesterov ? 1.0f : 0.0f,
              .moved = options.nesterov ? inertia : 1.0f};
  std::vector<SgdArrays> arrays;
  std::vector<int64_t> ends;
  for (const SgdUpdate& update : updates) {
    ends.push_back(end_after(ends, *update.weight));
    arrays.push_back({.gradient = update.gradient->data<float>(),
                      .weight = update.weight->data<float>(),
                      .momentum = floats(update.momentum),
                      .mask = bytes(update.mask),
                      .decay = static_cast<float>(update.weight_decay)});
  }
  for_each_piece(ends, [&](int64_t, size_t i, int64_t begin, int64_t end) { sgd(o, arrays[i], begin, end); });
}

void CpuBackend::adam_step(std::span<const AdamUpdate> updates, const AdamOptions& options) {
  const auto step = static_cast<double>(options.step);
  const Adam o{.rate = static_cast<float>(options.learning_rate / (1.0 - std::pow(options.beta1, step))),
               .factor = static_cast<float>(options.gradient_factor),
               .beta1 = static_cast<float>(options.beta1),
               .beta2 = static_cast<float>(options.beta2),
               .epsilon = static_cast<float>(options.epsilon),
               .correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(options.beta2, step)))};
  std::vector<AdamArrays> arrays;
  std::vector<int64_t> ends;
  for (const AdamUpdate& update : updates) {
    ends.push_back(end_after(ends, *update.weight));
    arrays.push_back({.gradient = update.gradient->data<float>(),
                      .weight = update.weight->data<float>(),
                      .first = update.first_moment->data<float>(),
                      .second = update.second_moment->data<float>(),
                      .mask = bytes(update.mask),
                      .decay = static_cast<float>(options.decoupled ? 0.0 : update.weight_decay),
                      .keep = static_cast<float>(
                          options.decoupled ? 1.0 - options.learning_rate * update.weight_decay : 1.0)});
  }
  for_each_piece(ends,
                 [&](int64_t, size_t i, int64_t begin, int64_t end) { adam(o, arrays[i], begin, end); });
}

void CpuBackend::sum_of_squares(std::span<const MaskedGradient> gradients, Tensor& y) {
  std::vector<std::pair<const float*, const uint8_t*>> arrays;
  std::vector<int64_t> ends;
  for (const auto& [gradient, mask] : gradients) {
    ends.push_back(end_after(ends, *gradient));
    arrays.emplace_back(gradient->data<float>(), bytes(mask));
  }
  const int64_t chunks = ends.empty() ? 0 : ceil_div(ends.back(), kChunk);
  std::vector<double> partial(static_cast<size_t>(chunks));
  for_each_piece(ends, [&](int64_t chunk, size_t i, int64_t begin, int64_t end) {
    const auto& [x, mask] = arrays[i];
    partial[static_cast<size_t>(chunk)] += cpu::sum_of_squares(x, mask, begin, end);
  });
  y.data<float>()[0] = static_cast<float>(std::accumulate(partial.begin(), partial.end(), 0.0));
}

void CpuBackend::apply_mask(Tensor& weight, const Tensor& mask) {
  float* w = weight.data<float>();
  const uint8_t* keep = mask.data<uint8_t>();
  for_each_chunk(weight.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    clear_masked(keep + begin, w + begin, end - begin);
  });
}

}  // namespace espalier::cpu
