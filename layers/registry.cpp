#include "layers/types.h"

namespace espalier::layers {

std::span<const LayerType> layer_types() {
  static constexpr LayerType kTypes[] = {
      {"conv2d", "2-d convolution: channels, kernel, stride, padding, dilation, groups, bias", 1,
       make_conv2d},
      {"linear", "fully connected: features, bias", 1, make_linear},
      {"batch_norm", "batch normalisation over the last axis: momentum, epsilon", 1, make_batch_norm},
      {"relu", "max(x, 0)", 1, make_relu},
      {"relu6", "min(max(x, 0), 6)", 1, make_relu6},
      {"sigmoid", "1 / (1 + exp(-x))", 1, make_sigmoid},
      {"tanh", "hyperbolic tangent", 1, make_tanh},
      {"max_pool2d", "largest of each window: kernel, stride, padding, ceil_mode", 1, make_max_pool2d},
      {"average_pool2d", "mean of each window: kernel, stride, padding, ceil_mode, count_include_pad", 1,
       make_average_pool2d},
      {"global_average_pool2d", "mean over height and width", 1, make_global_average_pool2d},
      {"flatten", "(N, H, W, C) to (N, H * W * C)", 1, make_flatten},
      {"dropout", "zeroes elements in training: probability", 1, make_dropout},
      {"add", "elementwise sum of two", 2, make_add},
      {"multiply", "elementwise product of two", 2, make_multiply},
      {"concat", "joins along channels", -1, make_concat},
      {"pad_channels", "channels of zeros around the others: before, after", 1, make_pad_channels},
      {"select_channels", "some of the channels: channels, all unless given", 1, make_select_channels},
      {"softmax", "softmax over the last axis", 1, make_softmax},
  };
  return kTypes;
}

}  // namespace espalier::layers
