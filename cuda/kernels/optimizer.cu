#include "cuda/kernels/optimizer.h"

#include "cuda/kernels/for_each.h"

namespace espalier::cuda::kernels {
namespace {

struct Sgd {
  SgdArguments a;
  __device__ void operator()(int64_t i) const {
    if (a.mask != nullptr && a.mask[i] == 0) {
      a.weight[i] = 0.0f;
      if (a.momentum != nullptr) a.momentum[i] = 0.0f;
      return;
    }
    const float weight = a.weight[i];
    float step = a.gradient[i] + a.decay * weight;
    if (a.inertia != 0.0f) {
      const float moved = a.inertia * a.momentum[i] + step;
      a.momentum[i] = moved;
      step = a.nesterov ? step + a.inertia * moved : moved;
    }
    a.weight[i] = weight - a.rate * step;
  }
};

struct Adam {
  AdamArguments a;
  __device__ void operator()(int64_t i) const {
    if (a.mask != nullptr && a.mask[i] == 0) {
      a.weight[i] = a.first[i] = a.second[i] = 0.0f;
      return;
    }
    const float weight = a.weight[i], g = a.gradient[i] + a.decay * weight;
    const float first = a.beta1 * a.first[i] + (1.0f - a.beta1) * g;
    const float second = a.beta2 * a.second[i] + (1.0f - a.beta2) * g * g;
    a.first[i] = first;
    a.second[i] = second;
    a.weight[i] = a.keep * weight - a.rate * first / (sqrtf(second) * a.correction + a.epsilon);
  }
};

struct Mask {
  float* weight;
  const uint8_t* mask;
  __device__ void operator()(int64_t i) const {
    if (mask[i] == 0) weight[i] = 0.0f;
  }
};

}  // namespace

cudaError_t sgd_step(const SgdArguments& arguments, int64_t count, cudaStream_t stream) {
  return for_each(count, stream, Sgd{arguments});
}

cudaError_t adam_step(const AdamArguments& arguments, int64_t count, cudaStream_t stream) {
  return for_each(count, stream, Adam{arguments});
}

cudaError_t apply_mask(float* weight, const uint8_t* mask, int64_t count, cudaStream_t stream) {
  return for_each(count, stream, Mask{weight, mask});
}

}  // namespace espalier::cuda::kernels
