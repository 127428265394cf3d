#pragma once

#include <array>
#include <string>
#include <vector>

#include "layers/models/blocks.h"

namespace espalier::layers {

struct PreResNetWidths {
  int stem = 16;
  std::array<int, 3> stages = {64, 128, 256};  // channels between blocks
  struct Block {
    Selection selection;       // of the block's input, before its first batch norm
    std::array<int, 2> inner;  // around the 3x3 convolution
  };
  std::vector<Block> blocks;
  Selection selection;  // before the last batch norm
};
PreResNetWidths preresnet_widths(int depth, double width);

// A CIFAR ResNet of pre-activation bottlenecks (He et al., ECCV 2016) with a channel selection before the
// first batch norm of each block and the last of all (Liu et al., ICCV 2017, section 3.4), so that what a
// block reads can shrink, its batch norm included, while the channels between blocks stay. Layers are named
// as in the authors' PyTorch code (where the selection comes behind the batch norm): conv1, layer1.0.bn1,
// layer1.0.select, layer1.0.downsample.0, bn, select, fc. Throws Error for a depth that is not 9 n + 2.
Network preresnet(const std::string& name, int depth, const PreResNetWidths& widths,
                  const ModelOptions& options);

}  // namespace espalier::layers
