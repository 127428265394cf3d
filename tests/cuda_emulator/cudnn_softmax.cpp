#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/cuda_emulator/cudnn.h"

namespace espalier::cuda_emulator {
namespace {

// Calls f(group, n, c, h, w): a softmax runs over a group, an image or one of its pixels.
template <typename Function>
void for_each_member(const Layout& layout, cudnnSoftmaxMode_t mode, const Function& f) {
  for_each_index(layout, [&](int n, int c, int h, int w) {
    const int64_t group =
        mode == CUDNN_SOFTMAX_MODE_INSTANCE ? n : (int64_t{n} * layout.h + h) * layout.w + w;
    f(static_cast<size_t>(group), n, c, h, w);
  });
}

size_t groups(const Layout& layout, cudnnSoftmaxMode_t mode) {
  return static_cast<size_t>(layout.n) *
         (mode == CUDNN_SOFTMAX_MODE_INSTANCE
              ? 1
              : static_cast<size_t>(layout.h) * static_cast<size_t>(layout.w));
}

}  // namespace
}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cudnnStatus_t cudnnSoftmaxForward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algorithm,
                                  cudnnSoftmaxMode_t mode, const void* alpha,
                                  cudnnTensorDescriptor_t x_descriptor, const void* x, const void* beta,
                                  cudnnTensorDescriptor_t y_descriptor, void* y) {
  return cudnn_call("cudnnSoftmaxForward", [&] {
    const Layout from = tensor_at(x_descriptor, "x"), to = tensor_at(y_descriptor, "y");
    require_same_shape(to, "y", from, "x");
    enqueue(handle_at(handle).stream, "cudnnSoftmaxForward",
            [=, blend = Blend(alpha, beta), in = input(x, from, "x"), out = output(y, to, "y")] {
              std::vector<double> top(groups(from, mode), algorithm == CUDNN_SOFTMAX_FAST ? 0.0 : -INFINITY);
              std::vector<double> sum(top.size());
              const auto value = [&](int n, int c, int h, int w) {
                return static_cast<double>(in[from.at(n, c, h, w)]);
              };
              if (algorithm != CUDNN_SOFTMAX_FAST)
                for_each_member(from, mode, [&](size_t group, int n, int c, int h, int w) {
                  top[group] = std::max(top[group], value(n, c, h, w));
                });
              for_each_member(from, mode, [&](size_t group, int n, int c, int h, int w) {
                sum[group] += std::exp(value(n, c, h, w) - top[group]);
              });
              for_each_member(from, mode, [&](size_t group, int n, int c, int h, int w) {
                const double shifted = value(n, c, h, w) - top[group];
                blend(out[to.at(n, c, h, w)], algorithm == CUDNN_SOFTMAX_LOG
                                                  ? shifted - std::log(sum[group])
                                                  : std::exp(shifted) / sum[group]);
              });
            });
  });
}

cudnnStatus_t cudnnSoftmaxBackward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algorithm,
                                   cudnnSoftmaxMode_t mode, const void* alpha,
                                   cudnnTensorDescriptor_t y_descriptor, const void* y,
                                   cudnnTensorDescriptor_t dy_descriptor, const void* dy, const void* beta,
                                   cudnnTensorDescriptor_t dx_descriptor, void* dx) {
  return cudnn_call("cudnnSoftmaxBackward", [&] {
    const Layout result = tensor_at(y_descriptor, "y"), gradient = tensor_at(dy_descriptor, "dy"),
                 to = tensor_at(dx_descriptor, "dx");
    require_same_shape(gradient, "dy", result, "y");
    require_same_shape(to, "dx", result, "y");
    enqueue(handle_at(handle).stream, "cudnnSoftmaxBackward",
            [=, blend = Blend(alpha, beta), out = input(y, result, "y"), given = input(dy, gradient, "dy"),
             back = output(dx, to, "dx")] {
              const bool log = algorithm == CUDNN_SOFTMAX_LOG;
              std::vector<double> sum(groups(result, mode));
              for_each_member(result, mode, [&](size_t group, int n, int c, int h, int w) {
                const double g = static_cast<double>(given[gradient.at(n, c, h, w)]);
                sum[group] += log ? g : g * static_cast<double>(out[result.at(n, c, h, w)]);
              });
              for_each_member(result, mode, [&](size_t group, int n, int c, int h, int w) {
                const double g = static_cast<double>(given[gradient.at(n, c, h, w)]);
                const double p = static_cast<double>(out[result.at(n, c, h, w)]);
                blend(back[to.at(n, c, h, w)], log ? g - std::exp(p) * sum[group] : p * (g - sum[group]));
              });
            });
  });
}
