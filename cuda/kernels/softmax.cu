#include "cuda/kernels/softmax.h"

#include <cmath>

#include "cuda/kernels/for_each.h"

namespace espalier::cuda::kernels {
namespace {

// A warp takes a row, its lanes every 32nd column.
constexpr int kWarp = 32, kWarps = 4;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// Sum and maximum over a warp: every lane gets the same bits, since each step adds or compares the same pair.
template <typename T>
__device__ T warp_sum(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    value += __shfl_xor_sync(kAllLanes, value, distance);
  return value;
}

__device__ float warp_max(float value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

template <typename Body>
__global__ void __launch_bounds__(kWarp* kWarps) for_each_row_kernel(int64_t rows, Body body) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kWarps;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.y; row < rows; row += step)
    body(row, static_cast<int>(threadIdx.x));
}

template <typename Body>
cudaError_t for_each_row(int64_t rows, cudaStream_t stream, Body body) {
  if (rows == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>(std::min<int64_t>((rows + kWarps - 1) / kWarps, 1 << 16));
  return launch(for_each_row_kernel<Body>, LaunchConfig{dim3(blocks), dim3(kWarp, kWarps), 0, stream}, rows,
                body);
}

// The logarithm of a row's softmax is (x - largest) - log_total: in this order large logits keep their
// digits.
struct Normaliser {
  __device__ Normaliser(const float* x, int64_t columns, int lane) {
    largest = -INFINITY;
    for (int64_t c = lane; c < columns; c += kWarp) largest = fmaxf(largest, x[c]);
    largest = warp_max(largest);
    total = 0;
    for (int64_t c = lane; c < columns; c += kWarp) total += expf(x[c] - largest);
    total = warp_sum(total);
    log_total = logf(total);
  }
  __device__ float log_softmax(float x) const { return (x - largest) - log_total; }

  float largest, total, log_total;
};

struct Softmax {
  const float* x;
  float* y;
  int64_t columns;
  __device__ void operator()(int64_t row, int lane) const {
    const float* in = x + row * columns;
    const Normaliser normaliser(in, columns, lane);
    const float factor = 1.0f / normaliser.total;
    for (int64_t c = lane; c < columns; c += kWarp)
      y[row * columns + c] = expf(in[c] - normaliser.largest) * factor;
  }
};

struct LogSoftmax {
  const float* x;
  float* y;
  int64_t columns;
  __device__ void operator()(int64_t row, int lane) const {
    const float* in = x + row * columns;
    const Normaliser normaliser(in, columns, lane);
    for (int64_t c = lane; c < columns; c += kWarp) y[row * columns + c] = normaliser.log_softmax(in[c]);
  }
};

struct SoftmaxBackward {
  const float *y, *dy;
  float* dx;
  int64_t columns;
  __device__ void operator()(int64_t row, int lane) const {
    const float *out = y + row * columns, *gradient = dy + row * columns;
    float dot = 0;
    for (int64_t c = lane; c < columns; c += kWarp) dot += out[c] * gradient[c];
    dot = warp_sum(dot);
    for (int64_t c = lane; c < columns; c += kWarp) dx[row * columns + c] = out[c] * (gradient[c] - dot);
  }
};

struct LogSoftmaxBackward {
  const float *y, *dy;
  float* dx;
  int64_t columns;
  __device__ void operator()(int64_t row, int lane) const {
    const float *out = y + row * columns, *gradient = dy + row * columns;
    float total = 0;
    for (int64_t c = lane; c < columns; c += kWarp) total += gradient[c];
    total = warp_sum(total);
    for (int64_t c = lane; c < columns; c += kWarp)
      dx[row * columns + c] = gradient[c] - expf(out[c]) * total;
  }
};

// Probabilities, and the loss and hit of every row.
struct CrossEntropyRow {
  CrossEntropyArguments a;
  double* losses;
  uint8_t* hits;

  __device__ void operator()(int64_t row, int lane) const {
    const float* in = a.logits + row * a.columns;
    const int32_t label = a.labels[row];
    const Normaliser normaliser(in, a.columns, lane);
    double all = 0;      // of the logarithms, for label smoothing
    int64_t before = 0;  // columns that a first largest logit at `label` must not follow
    const bool known = label >= 0 && label < a.columns;
    const float own = known ? in[label] : NAN;
    for (int64_t c = lane; c < a.columns; c += kWarp) {
      const float log_probability = normaliser.log_softmax(in[c]);
      a.probabilities[row * a.columns + c] = expf(log_probability);
      all += static_cast<double>(log_probability);
      before += in[c] > own || (in[c] == own && c < label);
    }
    all = warp_sum(all);
    const bool hit = known && warp_sum(static_cast<int>(before)) == 0;
    if (lane != 0) return;
    losses[row] = -(1.0 - a.smoothing) * static_cast<double>(normaliser.log_softmax(own));
    if (a.smoothing != 0.0) losses[row] -= a.smoothing / static_cast<double>(a.columns) * all;
    hits[row] = hit;
  }
};

// One block adds the rows up, always in the same order, and looks for labels that are no class.
__global__ void __launch_bounds__(kBlock)
    cross_entropy_total(CrossEntropyArguments a, const double* losses, const uint8_t* hits) {
  __shared__ double loss[kBlock];
  __shared__ int64_t correct[kBlock];
  __shared__ int64_t bad[kBlock];  // the first row with a fault, or `rows`
  const unsigned thread = threadIdx.x;
  double own_loss = 0;
  int64_t own_correct = 0, own_bad = a.rows;
  for (int64_t row = thread; row < a.rows; row += kBlock) {
    own_loss += losses[row];
    own_correct += hits[row];
    if ((a.labels[row] < 0 || a.labels[row] >= a.columns) && own_bad == a.rows) own_bad = row;
  }
  loss[thread] = own_loss;
  correct[thread] = own_correct;
  bad[thread] = own_bad;
  __syncthreads();
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    if (thread < half) {
      loss[thread] += loss[thread + half];
      correct[thread] += correct[thread + half];
      bad[thread] = bad[thread] < bad[thread + half] ? bad[thread] : bad[thread + half];
    }
    __syncthreads();
  }
  if (thread != 0) return;
  a.loss[0] = a.rows > 0 ? static_cast<float>(loss[0] / static_cast<double>(a.rows)) : 0.0f;
  a.correct[0] = correct[0];
  if (bad[0] < a.rows && a.fault->row < 0) {
    a.fault->label = a.labels[bad[0]];
    a.fault->classes = a.columns;
    a.fault->row = bad[0];
  }
}

struct CrossEntropyBackward {
  const float* probabilities;
  const int32_t* labels;
  float own, everywhere;
  const float* dloss;
  float* dlogits;
  int64_t rows, columns;
  __device__ void operator()(int64_t r, int64_t c) const {
    const float target = labels[r] == c ? own + everywhere : everywhere;
    const float factor = dloss[0] / static_cast<float>(rows);
    dlogits[r * columns + c] = factor * (probabilities[r * columns + c] - target);
  }
};

struct AddToTotals {
  TotalsArguments a;
  __device__ void operator()(int64_t) const {
    const auto value = static_cast<double>(*a.loss);
    a.totals[0] += value * static_cast<double>(a.images);
    a.totals[1] += static_cast<double>(*a.correct);
    if (std::isfinite(value) || a.totals[2] != 0) return;
    a.totals[2] = static_cast<double>(a.batch);
    a.totals[3] = value;
  }
};

}  // namespace

cudaError_t softmax(const float* x, float* y, int64_t rows, int64_t columns, cudaStream_t stream) {
  return for_each_row(rows, stream, Softmax{x, y, columns});
}

cudaError_t softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t columns,
                             cudaStream_t stream) {
  return for_each_row(rows, stream, SoftmaxBackward{y, dy, dx, columns});
}

cudaError_t log_softmax(const float* x, float* y, int64_t rows, int64_t columns, cudaStream_t stream) {
  return for_each_row(rows, stream, LogSoftmax{x, y, columns});
}

cudaError_t log_softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t columns,
                                 cudaStream_t stream) {
  return for_each_row(rows, stream, LogSoftmaxBackward{y, dy, dx, columns});
}

cudaError_t cross_entropy(const CrossEntropyArguments& a, double* row_losses, uint8_t* row_hits,
                          cudaStream_t stream) {
  cudaError_t status = for_each_row(a.rows, stream, CrossEntropyRow{a, row_losses, row_hits});
  if (status == cudaSuccess)
    status =
        launch(cross_entropy_total, LaunchConfig{dim3(1), dim3(kBlock), 0, stream}, a, row_losses, row_hits);
  return status;
}

cudaError_t cross_entropy_backward(const float* probabilities, const int32_t* labels, double smoothing,
                                   const float* dloss, float* dlogits, int64_t rows, int64_t columns,
                                   cudaStream_t stream) {
  const auto everywhere = static_cast<float>(smoothing / static_cast<double>(columns));
  return for_each_in_columns(rows, columns, stream,
                             CrossEntropyBackward{probabilities, labels, static_cast<float>(1.0 - smoothing),
                                                  everywhere, dloss, dlogits, rows, columns});
}

cudaError_t add_to_totals(const TotalsArguments& arguments, cudaStream_t stream) {
  return for_each(1, stream, AddToTotals{arguments});
}

}  // namespace espalier::cuda::kernels
