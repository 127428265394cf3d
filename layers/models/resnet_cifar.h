#pragma once

#include <array>
#include <string>
#include <vector>

#include "layers/models/blocks.h"

namespace espalier::layers {

// How a block whose shape changes carries its input over: `pad` (option A) takes every other pixel and adds
// channels of zeros, `project` (option B) is a 1x1 convolution with batch norm.
enum class Shortcut { pad, project };

struct CifarResNetWidths {
  int stem = 16;
  std::array<int, 3> stages = {16, 32, 64};
  std::vector<int> inner;  // between the two convolutions of each block; empty: its stage's
};
CifarResNetWidths cifar_resnet_widths(double width);

// He et al., CVPR 2016, section 4.2: three stages of (depth - 2) / 6 basic blocks. Layers are named as in
// PyTorch checkpoints of pytorch_resnet_cifar10: conv1, layer1.0.conv1, layer2.0.shortcut.0, linear. Throws
// Error for a depth that is not 6 n + 2.
Network resnet_cifar(const std::string& name, int depth, Shortcut shortcut, const CifarResNetWidths& widths,
                     const ModelOptions& options);

}  // namespace espalier::layers
