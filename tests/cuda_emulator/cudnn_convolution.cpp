#include "tests/cuda_emulator/cudnn_convolution.h"

#include <cstring>
#include <vector>

#include "tests/cuda_emulator/rounding.h"

namespace espalier::cuda_emulator {

Layout output_shape(const Layout& x, const Layout& w, const Convolution& cv) {
  const auto size = [](int in, int kernel, int padding, int stride, int dilation) {
    return (in + 2 * padding - (dilation * (kernel - 1) + 1)) / stride + 1;
  };
  require(x.c == w.c * cv.groups && w.n % cv.groups == 0, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH,
          "x is {}, w {}, in {} groups: {} channels of x and a multiple of {} outputs were due", to_string(x),
          to_string(w), cv.groups, w.c * cv.groups, cv.groups);
  Layout y = x;
  y.c = w.n;
  y.h = size(x.h, w.h, cv.padding_h, cv.stride_h, cv.dilation_h);
  y.w = size(x.w, w.w, cv.padding_w, cv.stride_w, cv.dilation_w);
  require(y.h > 0 && y.w > 0, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH,
          "x is {}, smaller than the window of w, {}", to_string(x), to_string(w));
  return y;
}

Geometry geometry(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                  cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y) {
  const Geometry g{tensor_at(x, "x"), filter_at(w, "w"), tensor_at(y, "y"), convolution_at(convolution)};
  require_same_shape(g.y, "y", output_shape(g.x, g.w, g.convolution), "the output of x and w");
  for (const Layout* layout : {&g.x, &g.w, &g.y}) require_float(*layout);
  const bool channels_last = g.w.format == CUDNN_TENSOR_NHWC;
  if (g.convolution.mode != CUDNN_CROSS_CORRELATION || g.convolution.compute != CUDNN_DATA_FLOAT ||
      (channels_last && (g.x.stride_c != 1 || g.y.stride_c != 1)))
    throw Refusal{CUDNN_STATUS_NOT_SUPPORTED};
  return g;
}

namespace {

// Calls f(offset in x, in w, in y) for every product of the convolution, images in either order.
template <typename Function>
void for_each_product(const Geometry& g, bool backwards, const Function& f) {
  const Convolution& cv = g.convolution;
  const int outputs = g.w.n / cv.groups;
  for (int image = 0; image < g.x.n; ++image) {
    const int n = backwards ? g.x.n - 1 - image : image;
    for (int p = 0; p < g.y.h; ++p)
      for (int q = 0; q < g.y.w; ++q)
        for (int r = 0; r < g.w.h; ++r) {
          const int h = p * cv.stride_h - cv.padding_h + r * cv.dilation_h;
          if (h < 0 || h >= g.x.h) continue;
          for (int s = 0; s < g.w.w; ++s) {
            const int w = q * cv.stride_w - cv.padding_w + s * cv.dilation_w;
            if (w < 0 || w >= g.x.w) continue;
            for (int k = 0; k < g.w.n; ++k) {
              const int64_t x = g.x.at(n, k / outputs * g.w.c, h, w);
              const int64_t filter = g.w.at(k, 0, r, s);
              const int64_t y = g.y.at(n, k, p, q);
              for (int c = 0; c < g.w.c; ++c) f(x + c * g.x.stride_c, filter + c * g.w.stride_c, y);
            }
          }
        }
  }
}

// As documented: float32 is multiplied as TF32 unless the descriptor says FMA, or allows the conversion.
auto factor(const Geometry& g) {
  return [math = g.convolution.math](float x) -> double {
    if (math == CUDNN_FMA_MATH) return x;
    return math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION ? to_float16(x) : to_tf32(x);
  };
}

template <typename Sum>
void write(const std::vector<Sum>& sums, const Layout& layout, const Blend& blend, float* to) {
  for_each_index(layout, [&](int n, int c, int h, int w) {
    const int64_t i = layout.at(n, c, h, w);
    blend(to[i], sums[static_cast<size_t>(i)]);
  });
}

void forward(const Geometry& g, const float* x, const float* w, const Blend& blend, float* y) {
  std::vector<double> sums(static_cast<size_t>(g.y.extent()));
  for_each_product(g, false, [&, f = factor(g)](int64_t i, int64_t j, int64_t k) {
    sums[static_cast<size_t>(k)] += f(x[i]) * f(w[j]);
  });
  write(sums, g.y, blend, y);
}

void backward_data(const Geometry& g, const float* w, const float* dy, const Blend& blend, float* dx) {
  std::vector<double> sums(static_cast<size_t>(g.x.extent()));
  for_each_product(g, false, [&, f = factor(g)](int64_t i, int64_t j, int64_t k) {
    sums[static_cast<size_t>(i)] += f(dy[k]) * f(w[j]);
  });
  write(sums, g.x, blend, dx);
}

template <typename Sum>
void backward_filter(const Geometry& g, const float* x, const float* dy, const Blend& blend, bool backwards,
                     float* dw) {
  std::vector<Sum> sums(static_cast<size_t>(g.w.extent()));
  for_each_product(g, backwards, [&, f = factor(g)](int64_t i, int64_t j, int64_t k) {
    sums[static_cast<size_t>(j)] += static_cast<Sum>(f(x[i])) * static_cast<Sum>(f(dy[k]));
  });
  write(sums, g.w, blend, dw);
}

// Checks that the workspace is there; returns what scribbles on it, as the algorithms do.
std::function<void()> workspace(void* memory, size_t bytes, const Algorithm& algorithm) {
  require(bytes >= algorithm.workspace, CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT,
          "a workspace of {} bytes; algorithm {} needs {}", bytes, algorithm.number, algorithm.workspace);
  if (algorithm.workspace == 0) return [] {};
  require_device(memory, bytes, CUDNN_STATUS_BAD_PARAM, "the workspace", 16);
  return [memory, used = algorithm.workspace] { std::memset(memory, kFill, used); };
}

}  // namespace
}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cudnnStatus_t cudnnGetConvolution2dForwardOutputDim(cudnnConvolutionDescriptor_t convolution,
                                                    cudnnTensorDescriptor_t x_descriptor,
                                                    cudnnFilterDescriptor_t w_descriptor, int* n, int* c,
                                                    int* h, int* w) {
  return cudnn_call("cudnnGetConvolution2dForwardOutputDim", [&] {
    const Layout y =
        output_shape(tensor_at(x_descriptor, "x"), filter_at(w_descriptor, "w"), convolution_at(convolution));
    *n = y.n;
    *c = y.c;
    *h = y.h;
    *w = y.w;
  });
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha,
                                      cudnnTensorDescriptor_t x_descriptor, const void* x,
                                      cudnnFilterDescriptor_t w_descriptor, const void* w,
                                      cudnnConvolutionDescriptor_t convolution,
                                      cudnnConvolutionFwdAlgo_t number, void* memory, size_t bytes,
                                      const void* beta, cudnnTensorDescriptor_t y_descriptor, void* y) {
  return cudnn_call("cudnnConvolutionForward", [&] {
    const Geometry g = geometry(x_descriptor, w_descriptor, convolution, y_descriptor);
    const auto scribble = workspace(memory, bytes, algorithm(Direction::forward, g, number));
    enqueue(handle_at(handle).stream, "cudnnConvolutionForward",
            [g, scribble, blend = Blend(alpha, beta), from = input(x, g.x, "x"), filter = input(w, g.w, "w"),
             to = output(y, g.y, "y")] {
              scribble();
              forward(g, from, filter, blend, to);
            });
  });
}

// y = activation(alpha1 * conv(x, w) + alpha2 * z + bias).
cudnnStatus_t cudnnConvolutionBiasActivationForward(
    cudnnHandle_t handle, const void* alpha1, cudnnTensorDescriptor_t x_descriptor, const void* x,
    cudnnFilterDescriptor_t w_descriptor, const void* w, cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionFwdAlgo_t number, void* memory, size_t bytes, const void* alpha2,
    cudnnTensorDescriptor_t z_descriptor, const void* z, cudnnTensorDescriptor_t bias_descriptor,
    const void* bias, cudnnActivationDescriptor_t activation_descriptor, cudnnTensorDescriptor_t y_descriptor,
    void* y) {
  return cudnn_call("cudnnConvolutionBiasActivationForward", [&] {
    const Geometry g = geometry(x_descriptor, w_descriptor, convolution, y_descriptor);
    const auto scribble = workspace(memory, bytes, algorithm(Direction::forward, g, number));
    const Layout addend = tensor_at(z_descriptor, "z"), shift = tensor_at(bias_descriptor, "bias");
    const Activation activation = activation_at(activation_descriptor);
    require_same_shape(addend, "z", g.y, "y");
    require_same_shape(shift, "bias", Layout::packed(CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, g.y.c, 1, 1),
                       "y's channels");
    const bool identity = activation.mode == CUDNN_ACTIVATION_IDENTITY;
    if (!(activation.mode == CUDNN_ACTIVATION_RELU ||
          (identity && number == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM)))
      throw Refusal{CUDNN_STATUS_NOT_SUPPORTED};
    enqueue(handle_at(handle).stream, "cudnnConvolutionBiasActivationForward",
            [g, scribble, addend, shift, activation, factors = Blend(alpha1, alpha2),
             from = input(x, g.x, "x"), filter = input(w, g.w, "w"), add = input(z, addend, "z"),
             offset = input(bias, shift, "bias"), to = output(y, g.y, "y")] {
              scribble();
              std::vector<float> product(static_cast<size_t>(g.y.extent()));
              Blend plain = factors;
              plain.beta = 0;
              forward(g, from, filter, plain, product.data());
              for_each_index(g.y, [&](int n, int c, int h, int i) {
                double sum = static_cast<double>(product[static_cast<size_t>(g.y.at(n, c, h, i))]) +
                             static_cast<double>(offset[shift.at(0, c, 0, 0)]);
                if (factors.beta != 0) sum += factors.beta * static_cast<double>(add[addend.at(n, c, h, i)]);
                to[g.y.at(n, c, h, i)] = static_cast<float>(activate(activation, sum));
              });
            });
  });
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void* alpha,
                                           cudnnFilterDescriptor_t w_descriptor, const void* w,
                                           cudnnTensorDescriptor_t dy_descriptor, const void* dy,
                                           cudnnConvolutionDescriptor_t convolution,
                                           cudnnConvolutionBwdDataAlgo_t number, void* memory, size_t bytes,
                                           const void* beta, cudnnTensorDescriptor_t dx_descriptor,
                                           void* dx) {
  return cudnn_call("cudnnConvolutionBackwardData", [&] {
    const Geometry g = geometry(dx_descriptor, w_descriptor, convolution, dy_descriptor);
    const auto scribble = workspace(memory, bytes, algorithm(Direction::backward_data, g, number));
    enqueue(handle_at(handle).stream, "cudnnConvolutionBackwardData",
            [g, scribble, blend = Blend(alpha, beta), filter = input(w, g.w, "w"),
             from = input(dy, g.y, "dy"), to = output(dx, g.x, "dx")] {
              scribble();
              backward_data(g, filter, from, blend, to);
            });
  });
}

cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void* alpha,
                                             cudnnTensorDescriptor_t x_descriptor, const void* x,
                                             cudnnTensorDescriptor_t dy_descriptor, const void* dy,
                                             cudnnConvolutionDescriptor_t convolution,
                                             cudnnConvolutionBwdFilterAlgo_t number, void* memory,
                                             size_t bytes, const void* beta,
                                             cudnnFilterDescriptor_t dw_descriptor, void* dw) {
  return cudnn_call("cudnnConvolutionBackwardFilter", [&] {
    const Geometry g = geometry(x_descriptor, dw_descriptor, convolution, dy_descriptor);
    const Algorithm chosen = algorithm(Direction::backward_filter, g, number);
    const auto scribble = workspace(memory, bytes, chosen);
    enqueue(handle_at(handle).stream, "cudnnConvolutionBackwardFilter",
            [g, chosen, scribble, blend = Blend(alpha, beta), from = input(x, g.x, "x"),
             gradient = input(dy, g.y, "dy"), to = output(dw, g.w, "dw")] {
              scribble();
              if (chosen.deterministic) return backward_filter<double>(g, from, gradient, blend, false, to);
              // Rounds otherwise every second time.
              static bool backwards = false;
              backwards = !backwards;
              backward_filter<float>(g, from, gradient, blend, backwards, to);
            });
  });
}

cudnnStatus_t cudnnConvolutionBackwardBias(cudnnHandle_t handle, const void* alpha,
                                           cudnnTensorDescriptor_t dy_descriptor, const void* dy,
                                           const void* beta, cudnnTensorDescriptor_t db_descriptor,
                                           void* db) {
  return cudnn_call("cudnnConvolutionBackwardBias", [&] {
    const Layout gradient = tensor_at(dy_descriptor, "dy"), bias = tensor_at(db_descriptor, "db");
    require_same_shape(bias, "db", Layout::packed(CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, gradient.c, 1, 1),
                       "dy's channels");
    enqueue(handle_at(handle).stream, "cudnnConvolutionBackwardBias",
            [gradient, bias, blend = Blend(alpha, beta), from = input(dy, gradient, "dy"),
             to = output(db, bias, "db")] {
              std::vector<double> sums(static_cast<size_t>(gradient.c));
              for_each_index(gradient, [&](int n, int c, int h, int w) {
                sums[static_cast<size_t>(c)] += static_cast<double>(from[gradient.at(n, c, h, w)]);
              });
              for (int c = 0; c < gradient.c; ++c)
                blend(to[bias.at(0, c, 0, 0)], sums[static_cast<size_t>(c)]);
            });
  });
}
