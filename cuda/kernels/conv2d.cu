#include "cuda/kernels/conv2d.h"

#include "cuda/kernels/for_each.h"

namespace espalier::cuda::kernels {
namespace {

struct Forward {
  ConvShape s;
  const float *x, *weight;
  float* y;

  __device__ void operator()(int64_t pixel, int64_t channel) const {
    const int o = static_cast<int>(channel), row = static_cast<int>(pixel) / s.out_w;
    const int q = static_cast<int>(pixel) - row * s.out_w, n = row / s.out_h, p = row - n * s.out_h;
    const int group_in = s.in_c / s.groups, first = o / (s.out_c / s.groups) * group_in;
    const float* image = x + int64_t{n} * s.in_h * s.in_w * s.in_c + first;
    float total = 0;
    for (int r = 0; r < s.kernel_h; ++r)
      for (int t = 0; t < s.kernel_w; ++t) {
        const int h = p * s.stride_h - s.pad_h + r * s.dilation_h;
        const int w = q * s.stride_w - s.pad_w + t * s.dilation_w;
        if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
        const float* from = image + (int64_t{h} * s.in_w + w) * s.in_c;
        const float* taps = weight + ((int64_t{o} * s.kernel_h + r) * s.kernel_w + t) * group_in;
        for (int i = 0; i < group_in; ++i) total += from[i] * taps[i];
      }
    y[pixel * s.out_c + o] = total;
  }
};

struct BackwardData {
  ConvShape s;
  const float *dy, *weight;
  float* dx;

  __device__ void operator()(int64_t pixel, int64_t channel) const {
    const int c = static_cast<int>(channel), row = static_cast<int>(pixel) / s.in_w;
    const int w = static_cast<int>(pixel) - row * s.in_w, n = row / s.in_h, h = row - n * s.in_h;
    const int group_in = s.in_c / s.groups, group_out = s.out_c / s.groups;
    const int group = c / group_in, i = c - group * group_in;
    const float* image = dy + int64_t{n} * s.out_h * s.out_w * s.out_c;
    float total = 0;
    for (int r = 0; r < s.kernel_h; ++r)
      for (int t = 0; t < s.kernel_w; ++t) {
        const int down = h + s.pad_h - r * s.dilation_h, across = w + s.pad_w - t * s.dilation_w;
        if (down < 0 || across < 0 || down % s.stride_h != 0 || across % s.stride_w != 0) continue;
        const int p = down / s.stride_h, q = across / s.stride_w;
        if (p >= s.out_h || q >= s.out_w) continue;
        for (int k = 0; k < group_out; ++k) {
          const int o = group * group_out + k;
          total += image[(int64_t{p} * s.out_w + q) * s.out_c + o] *
                   weight[((int64_t{o} * s.kernel_h + r) * s.kernel_w + t) * group_in + i];
        }
      }
    dx[pixel * s.in_c + c] = total;
  }
};

__global__ void __launch_bounds__(kBlock)
    backward_weight(ConvShape s, const float* x, const float* dy, float* dweight) {
  __shared__ double shared[kBlock];
  const int group_in = s.in_c / s.groups;
  const int tap = static_cast<int>(blockIdx.x) / group_in, i = static_cast<int>(blockIdx.x) - tap * group_in;
  const int t = tap % s.kernel_w, r = tap / s.kernel_w % s.kernel_h, o = tap / s.kernel_w / s.kernel_h;
  const int c = o / (s.out_c / s.groups) * group_in + i;
  const int64_t pixels = int64_t{s.batch} * s.out_h * s.out_w;
  double total = 0;
  for (int64_t pixel = threadIdx.x; pixel < pixels; pixel += kBlock) {
    const int row = static_cast<int>(pixel) / s.out_w, q = static_cast<int>(pixel) - row * s.out_w;
    const int n = row / s.out_h, p = row - n * s.out_h;
    const int h = p * s.stride_h - s.pad_h + r * s.dilation_h;
    const int w = q * s.stride_w - s.pad_w + t * s.dilation_w;
    if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
    total += static_cast<double>(x[((int64_t{n} * s.in_h + h) * s.in_w + w) * s.in_c + c]) *
             static_cast<double>(dy[pixel * s.out_c + o]);
  }
  shared[threadIdx.x] = total;
  __syncthreads();
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) dweight[blockIdx.x] = static_cast<float>(shared[0]);
}

}  // namespace

cudaError_t conv2d(const ConvShape& s, const float* x, const float* weight, float* y, cudaStream_t stream) {
  return for_each_in_columns(int64_t{s.batch} * s.out_h * s.out_w, s.out_c, stream, Forward{s, x, weight, y});
}

cudaError_t conv2d_backward_data(const ConvShape& s, const float* dy, const float* weight, float* dx,
                                 cudaStream_t stream) {
  return for_each_in_columns(int64_t{s.batch} * s.in_h * s.in_w, s.in_c, stream,
                             BackwardData{s, dy, weight, dx});
}

cudaError_t conv2d_backward_weight(const ConvShape& s, const float* x, const float* dy, float* dweight,
                                   cudaStream_t stream) {
  const int64_t weights = int64_t{s.out_c} * s.kernel_h * s.kernel_w * (s.in_c / s.groups);
  if (weights == 0) return cudaSuccess;
  return launch(backward_weight, LaunchConfig{dim3(static_cast<unsigned>(weights)), dim3(kBlock), 0, stream},
                s, x, dy, dweight);
}

}  // namespace espalier::cuda::kernels
