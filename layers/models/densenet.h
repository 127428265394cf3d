#pragma once

#include <array>
#include <string>
#include <vector>

#include "layers/models/blocks.h"

namespace espalier::layers {

struct DenseNetWidths {
  int stem = 24;
  struct Layer {
    Selection selection;  // before the layer's batch norm
    int growth;           // channels that it adds
  };
  std::array<std::vector<Layer>, 3> blocks;
  struct Transition {
    Selection selection;
    int channels;
  };
  std::array<Transition, 2> transitions;
  Selection selection;  // before the last batch norm
};
DenseNetWidths densenet_widths(int depth, int growth, double width);

// Huang et al., CVPR 2017, without bottlenecks and compression: three dense blocks of (depth - 4) / 3 layers,
// batch norm - ReLU - 3x3 convolution, each output joined behind its input. A channel selection stands before
// each batch norm (Liu et al., ICCV 2017, section 3.4), whose authors' PyTorch code (where it stands behind)
// names the layers: conv1, dense1.0.bn1, dense1.0.select, trans1.conv1, bn, select, fc.
Network densenet(const std::string& name, const DenseNetWidths& widths, const ModelOptions& options);

}  // namespace espalier::layers
