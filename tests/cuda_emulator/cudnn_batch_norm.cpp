#include <cmath>
#include <vector>

#include "tests/cuda_emulator/cudnn.h"

namespace espalier::cuda_emulator {
namespace {

// Only the spatial modes: one mean and variance per channel.
void require_spatial(cudnnBatchNormMode_t mode, double epsilon) {
  if (mode == CUDNN_BATCHNORM_PER_ACTIVATION) throw Refusal{CUDNN_STATUS_NOT_SUPPORTED};
  require(epsilon >= CUDNN_BN_MIN_EPSILON, CUDNN_STATUS_BAD_PARAM, "epsilon {}; at least {} was due", epsilon,
          CUDNN_BN_MIN_EPSILON);
}

const Layout& channels(cudnnTensorDescriptor_t descriptor, const Layout& x) {
  const Layout& layout = tensor_at(descriptor, "scale and bias");
  require_same_shape(layout, "the descriptor of scale and bias",
                     Layout::packed(CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, x.c, 1, 1), "x's channels");
  return layout;
}

size_t index(int channel) {
  return static_cast<size_t>(channel);
}

}  // namespace
}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cudnnStatus_t cudnnDeriveBNTensorDescriptor(cudnnTensorDescriptor_t derived,
                                            cudnnTensorDescriptor_t x_descriptor, cudnnBatchNormMode_t mode) {
  return cudnn_call("cudnnDeriveBNTensorDescriptor", [&] {
    require_spatial(mode, 1);
    const Layout x = tensor_at(x_descriptor, "x");
    cudnnSetTensor4dDescriptor(derived, x.format, CUDNN_DATA_FLOAT, 1, x.c, 1, 1);
  });
}

cudnnStatus_t cudnnBatchNormalizationForwardTraining(
    cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha, const void* beta,
    cudnnTensorDescriptor_t x_descriptor, const void* x, cudnnTensorDescriptor_t y_descriptor, void* y,
    cudnnTensorDescriptor_t derived, const void* scale, const void* bias, double factor, void* running_mean,
    void* running_variance, double epsilon, void* saved_mean, void* saved_inverse) {
  return cudnn_call("cudnnBatchNormalizationForwardTraining", [&] {
    require_spatial(mode, epsilon);
    const Layout from = tensor_at(x_descriptor, "x"), to = tensor_at(y_descriptor, "y"),
                 row = channels(derived, from);
    require_same_shape(to, "y", from, "x");
    require(!running_mean == !running_variance && !saved_mean == !saved_inverse, CUDNN_STATUS_BAD_PARAM,
            "of the running and of the saved statistics, both or neither were due");
    const auto optional = [&](void* data, const char* what) {
      return data ? output(data, row, what) : nullptr;
    };
    enqueue(handle_at(handle).stream, "cudnnBatchNormalizationForwardTraining",
            [=, blend = Blend(alpha, beta), in = input(x, from, "x"), out = output(y, to, "y"),
             gamma = input(scale, row, "scale"), shift = input(bias, row, "bias"),
             moving_mean = optional(running_mean, "the running mean"),
             moving_variance = optional(running_variance, "the running variance"),
             mean_out = optional(saved_mean, "the saved mean"),
             inverse_out = optional(saved_inverse, "the saved inverse deviation")] {
              const double count = static_cast<double>(from.n) * from.h * from.w;
              std::vector<double> mean(index(from.c)), variance(index(from.c));
              for_each_index(from, [&](int n, int c, int h, int w) {
                mean[index(c)] += static_cast<double>(in[from.at(n, c, h, w)]) / count;
              });
              for_each_index(from, [&](int n, int c, int h, int w) {
                const double distance = static_cast<double>(in[from.at(n, c, h, w)]) - mean[index(c)];
                variance[index(c)] += distance * distance / count;
              });
              for_each_index(to, [&](int n, int c, int h, int w) {
                const double normal = (static_cast<double>(in[from.at(n, c, h, w)]) - mean[index(c)]) /
                                      std::sqrt(variance[index(c)] + epsilon);
                blend(out[to.at(n, c, h, w)],
                      normal * static_cast<double>(gamma[c]) + static_cast<double>(shift[c]));
              });
              const auto move = [&](float& statistic, double now) {
                statistic = static_cast<float>((1 - factor) * static_cast<double>(statistic) + factor * now);
              };
              for (int c = 0; c < from.c; ++c) {
                if (moving_mean) {
                  move(moving_mean[c], mean[index(c)]);
                  move(moving_variance[c],
                       count > 1 ? variance[index(c)] * count / (count - 1) : variance[index(c)]);
                }
                if (mean_out) {
                  mean_out[c] = static_cast<float>(mean[index(c)]);
                  inverse_out[c] = static_cast<float>(1 / std::sqrt(variance[index(c)] + epsilon));
                }
              }
            });
  });
}

cudnnStatus_t cudnnBatchNormalizationForwardInference(cudnnHandle_t handle, cudnnBatchNormMode_t mode,
                                                      const void* alpha, const void* beta,
                                                      cudnnTensorDescriptor_t x_descriptor, const void* x,
                                                      cudnnTensorDescriptor_t y_descriptor, void* y,
                                                      cudnnTensorDescriptor_t derived, const void* scale,
                                                      const void* bias, const void* running_mean,
                                                      const void* running_variance, double epsilon) {
  return cudnn_call("cudnnBatchNormalizationForwardInference", [&] {
    require_spatial(mode, epsilon);
    const Layout from = tensor_at(x_descriptor, "x"), to = tensor_at(y_descriptor, "y"),
                 row = channels(derived, from);
    require_same_shape(to, "y", from, "x");
    enqueue(handle_at(handle).stream, "cudnnBatchNormalizationForwardInference",
            [=, blend = Blend(alpha, beta), in = input(x, from, "x"), out = output(y, to, "y"),
             gamma = input(scale, row, "scale"), shift = input(bias, row, "bias"),
             mean = input(running_mean, row, "the running mean"),
             variance = input(running_variance, row, "the running variance")] {
              for_each_index(to, [&](int n, int c, int h, int w) {
                const double normal =
                    (static_cast<double>(in[from.at(n, c, h, w)]) - static_cast<double>(mean[c])) /
                    std::sqrt(static_cast<double>(variance[c]) + epsilon);
                blend(out[to.at(n, c, h, w)],
                      normal * static_cast<double>(gamma[c]) + static_cast<double>(shift[c]));
              });
            });
  });
}

cudnnStatus_t cudnnBatchNormalizationBackward(
    cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha_data, const void* beta_data,
    const void* alpha_parameters, const void* beta_parameters, cudnnTensorDescriptor_t x_descriptor,
    const void* x, cudnnTensorDescriptor_t dy_descriptor, const void* dy,
    cudnnTensorDescriptor_t dx_descriptor, void* dx, cudnnTensorDescriptor_t derived, const void* scale,
    void* dscale, void* dbias, double epsilon, const void* saved_mean, const void* saved_inverse) {
  return cudnn_call("cudnnBatchNormalizationBackward", [&] {
    require_spatial(mode, epsilon);
    const Layout from = tensor_at(x_descriptor, "x"), gradient = tensor_at(dy_descriptor, "dy"),
                 to = tensor_at(dx_descriptor, "dx"), row = channels(derived, from);
    require_same_shape(gradient, "dy", from, "x");
    require_same_shape(to, "dx", from, "x");
    require(saved_mean && saved_inverse, CUDNN_STATUS_NOT_SUPPORTED,
            "the backward pass is emulated with saved statistics only");
    enqueue(
        handle_at(handle).stream, "cudnnBatchNormalizationBackward",
        [=, blend = Blend(alpha_data, beta_data), blend_parameters = Blend(alpha_parameters, beta_parameters),
         in = input(x, from, "x"), given = input(dy, gradient, "dy"), out = output(dx, to, "dx"),
         gamma = input(scale, row, "scale"), gamma_out = output(dscale, row, "dscale"),
         shift_out = output(dbias, row, "dbias"), mean = input(saved_mean, row, "the saved mean"),
         inverse = input(saved_inverse, row, "the saved inverse deviation")] {
          const double count = static_cast<double>(from.n) * from.h * from.w;
          const auto normal = [&](int n, int c, int h, int w) {
            return (static_cast<double>(in[from.at(n, c, h, w)]) - static_cast<double>(mean[c])) *
                   static_cast<double>(inverse[c]);
          };
          std::vector<double> sum(index(from.c)), product(index(from.c));
          for_each_index(gradient, [&](int n, int c, int h, int w) {
            const double g = static_cast<double>(given[gradient.at(n, c, h, w)]);
            sum[index(c)] += g;
            product[index(c)] += g * normal(n, c, h, w);
          });
          for_each_index(to, [&](int n, int c, int h, int w) {
            const double g = static_cast<double>(given[gradient.at(n, c, h, w)]);
            blend(out[to.at(n, c, h, w)],
                  static_cast<double>(gamma[c]) * static_cast<double>(inverse[c]) *
                      (g - sum[index(c)] / count - normal(n, c, h, w) * product[index(c)] / count));
          });
          for (int c = 0; c < from.c; ++c) {
            blend_parameters(gamma_out[c], product[index(c)]);
            blend_parameters(shift_out[c], sum[index(c)]);
          }
        });
  });
}
