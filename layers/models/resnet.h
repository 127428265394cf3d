#pragma once

#include <array>
#include <string>
#include <vector>

#include "layers/models/blocks.h"

namespace espalier::layers {

// The first layers: `imagenet` is a 7x7 convolution of stride 2 and max pooling, `cifar` a 3x3 convolution.
enum class ResNetStem { imagenet, cifar };

struct ResNetWidths {
  int stem = 64;
  std::array<int, 4> stages = {};  // channels between blocks
  // Of every block: between its two convolutions, or around the 3x3 one of a bottleneck (two numbers then).
  std::vector<std::vector<int>> inner;
};
// `depth` 18, 34 (basic blocks), 50 or 101 (bottlenecks).
ResNetWidths resnet_widths(int depth, double width);

// He et al., CVPR 2016, table 1, with the stride of a bottleneck in its 3x3 convolution. Shortcuts that
// change shape are 1x1 convolutions with batch norm. Layers are named as torchvision's: conv1,
// layer1.0.conv1, layer1.0.downsample.0, fc.
Network resnet(const std::string& name, int depth, ResNetStem stem, const ResNetWidths& widths,
               const ModelOptions& options);

}  // namespace espalier::layers
