#include <vector>

#include "tests/cuda_emulator/cudnn.h"

namespace espalier::cuda_emulator {
namespace {

Layout pooled_shape(const Layout& x, const Pooling& pooling) {
  Layout y = x;
  y.h = (x.h + 2 * pooling.padding_h - pooling.window_h) / pooling.stride_h + 1;
  y.w = (x.w + 2 * pooling.padding_w - pooling.window_w) / pooling.stride_w + 1;
  return y;
}

bool takes_maximum(const Pooling& pooling) {
  return pooling.mode == CUDNN_POOLING_MAX || pooling.mode == CUDNN_POOLING_MAX_DETERMINISTIC;
}

// Calls f(offset in x) for the window of the output (n, c, p, q); returns what an average divides by.
template <typename Function>
int for_window(const Layout& x, const Pooling& pooling, int n, int c, int p, int q, const Function& f) {
  int inside = 0;
  for (int r = 0; r < pooling.window_h; ++r)
    for (int s = 0; s < pooling.window_w; ++s) {
      const int h = p * pooling.stride_h - pooling.padding_h + r;
      const int w = q * pooling.stride_w - pooling.padding_w + s;
      if (h < 0 || h >= x.h || w < 0 || w >= x.w) continue;
      ++inside;
      f(x.at(n, c, h, w));
    }
  return pooling.mode == CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING ? pooling.window_h * pooling.window_w
                                                                     : inside;
}

// The first of equals.
int64_t winner(const Layout& layout, const Pooling& pooling, const float* x, int n, int c, int p, int q) {
  int64_t best = -1;
  for_window(layout, pooling, n, c, p, q, [&](int64_t i) {
    if (best < 0 || x[i] > x[best]) best = i;
  });
  return best;
}

}  // namespace
}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cudnnStatus_t cudnnGetPooling2dForwardOutputDim(cudnnPoolingDescriptor_t descriptor,
                                                cudnnTensorDescriptor_t x_descriptor, int* n, int* c, int* h,
                                                int* w) {
  return cudnn_call("cudnnGetPooling2dForwardOutputDim", [&] {
    const Layout y = pooled_shape(tensor_at(x_descriptor, "x"), pooling_at(descriptor));
    *n = y.n;
    *c = y.c;
    *h = y.h;
    *w = y.w;
  });
}

cudnnStatus_t cudnnPoolingForward(cudnnHandle_t handle, cudnnPoolingDescriptor_t descriptor,
                                  const void* alpha, cudnnTensorDescriptor_t x_descriptor, const void* x,
                                  const void* beta, cudnnTensorDescriptor_t y_descriptor, void* y) {
  return cudnn_call("cudnnPoolingForward", [&] {
    const Pooling pooling = pooling_at(descriptor);
    const Layout from = tensor_at(x_descriptor, "x"), to = tensor_at(y_descriptor, "y");
    require_same_shape(to, "y", pooled_shape(from, pooling), "x, pooled");
    enqueue(handle_at(handle).stream, "cudnnPoolingForward",
            [=, blend = Blend(alpha, beta), in = input(x, from, "x"), out = output(y, to, "y")] {
              for_each_index(to, [&](int n, int c, int p, int q) {
                float& result = out[to.at(n, c, p, q)];
                if (takes_maximum(pooling))
                  return blend(result, static_cast<double>(in[winner(from, pooling, in, n, c, p, q)]));
                double sum = 0;
                const int divisor = for_window(from, pooling, n, c, p, q,
                                               [&](int64_t i) { sum += static_cast<double>(in[i]); });
                blend(result, sum / divisor);
              });
            });
  });
}

cudnnStatus_t cudnnPoolingBackward(cudnnHandle_t handle, cudnnPoolingDescriptor_t descriptor,
                                   const void* alpha, cudnnTensorDescriptor_t y_descriptor, const void* y,
                                   cudnnTensorDescriptor_t dy_descriptor, const void* dy,
                                   cudnnTensorDescriptor_t x_descriptor, const void* x, const void* beta,
                                   cudnnTensorDescriptor_t dx_descriptor, void* dx) {
  return cudnn_call("cudnnPoolingBackward", [&] {
    const Pooling pooling = pooling_at(descriptor);
    const Layout from = tensor_at(x_descriptor, "x"), result = tensor_at(y_descriptor, "y"),
                 gradient = tensor_at(dy_descriptor, "dy"), to = tensor_at(dx_descriptor, "dx");
    require_same_shape(result, "y", pooled_shape(from, pooling), "x, pooled");
    require_same_shape(gradient, "dy", result, "y");
    require_same_shape(to, "dx", from, "x");
    input(y, result, "y");
    enqueue(handle_at(handle).stream, "cudnnPoolingBackward",
            [=, blend = Blend(alpha, beta), in = input(x, from, "x"), given = input(dy, gradient, "dy"),
             out = output(dx, to, "dx")] {
              std::vector<double> sums(static_cast<size_t>(from.extent()));
              for_each_index(gradient, [&](int n, int c, int p, int q) {
                const double share = static_cast<double>(given[gradient.at(n, c, p, q)]);
                if (takes_maximum(pooling)) {
                  sums[static_cast<size_t>(winner(from, pooling, in, n, c, p, q))] += share;
                  return;
                }
                const int divisor = for_window(from, pooling, n, c, p, q, [](int64_t) {});
                for_window(from, pooling, n, c, p, q,
                           [&](int64_t i) { sums[static_cast<size_t>(i)] += share / divisor; });
              });
              for_each_index(to, [&](int n, int c, int h, int w) {
                blend(out[to.at(n, c, h, w)], sums[static_cast<size_t>(from.at(n, c, h, w))]);
              });
            });
  });
}
