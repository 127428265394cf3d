#include "cuda/kernels/optimizer.h"

#include "cuda/kernels/for_each_piece.h"

namespace espalier::cuda::kernels {
namespace {

struct Sgd {
  SgdStep s;
  __device__ void operator()(const SgdRow& row, int64_t i) const {
    if (row.mask != nullptr && row.mask[i] == 0) {
      row.weight[i] = 0.0f;
      if (row.momentum != nullptr) row.momentum[i] = 0.0f;
      return;
    }
    const float weight = row.weight[i];
    float step = s.factor * row.gradient[i] + row.decay * weight;
    if (row.momentum != nullptr) {
      const float moved = s.inertia * row.momentum[i] + step;
      row.momentum[i] = moved;
      step = s.nesterov ? step + s.inertia * moved : moved;
    }
    row.weight[i] = weight - s.rate * step;
  }
};

struct Adam {
  AdamStep s;
  __device__ void operator()(const AdamRow& row, int64_t i) const {
    if (row.mask != nullptr && row.mask[i] == 0) {
      row.weight[i] = row.first[i] = row.second[i] = 0.0f;
      return;
    }
    const float weight = row.weight[i], g = s.factor * row.gradient[i] + row.decay * weight;
    const float first = s.beta1 * row.first[i] + (1.0f - s.beta1) * g;
    const float second = s.beta2 * row.second[i] + (1.0f - s.beta2) * g * g;
    row.first[i] = first;
    row.second[i] = second;
    row.weight[i] = row.keep * weight - s.rate * first / (sqrtf(second) * s.correction + s.epsilon);
  }
};

// Into how many parts the sum is cut depends on the number of elements alone, and each is added up in a fixed
// order.
int64_t squares_parts(const Pieces<SquaresRow>& pieces) {
  return std::min<int64_t>(chunks(pieces), 1024);
}

__global__ void __launch_bounds__(kBlock)
    sum_of_squares_kernel(Pieces<SquaresRow> pieces, int64_t all_chunks, double* parts) {
  __shared__ double shared[kBlock];
  double sum = 0;
  for (int64_t chunk = blockIdx.x; chunk < all_chunks; chunk += gridDim.x)
    for_each_in_chunk(pieces, chunk, [&sum](const SquaresRow& row, int64_t i) {
      if (row.mask != nullptr && row.mask[i] == 0) return;
      const auto value = static_cast<double>(row.x[i]);
      sum += value * value;
    });
  shared[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) parts[blockIdx.x] = shared[0];
}

struct AddParts {
  const double* parts;
  int64_t count;
  float* y;
  __device__ void operator()(int64_t) const {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += parts[i];
    *y = static_cast<float>(total);
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

cudaError_t sgd_step(const Pieces<SgdRow>& pieces, const SgdStep& step, cudaStream_t stream) {
  return for_each_piece(pieces, stream, Sgd{step});
}

cudaError_t adam_step(const Pieces<AdamRow>& pieces, const AdamStep& step, cudaStream_t stream) {
  return for_each_piece(pieces, stream, Adam{step});
}

int64_t sum_of_squares_workspace(const Pieces<SquaresRow>& pieces) {
  return squares_parts(pieces);
}

cudaError_t sum_of_squares(const Pieces<SquaresRow>& pieces, float* y, double* workspace,
                           cudaStream_t stream) {
  const int64_t parts = squares_parts(pieces);
  if (parts > 0) {
    const LaunchConfig config{dim3(static_cast<unsigned>(parts)), dim3(kBlock), 0, stream};
    const cudaError_t status = launch(sum_of_squares_kernel, config, pieces, chunks(pieces), workspace);
    if (status != cudaSuccess) return status;
  }
  return for_each(1, stream, AddParts{workspace, parts, y});
}

cudaError_t apply_mask(float* weight, const uint8_t* mask, int64_t count, cudaStream_t stream) {
  return for_each(count, stream, Mask{weight, mask});
}

}  // namespace espalier::cuda::kernels
