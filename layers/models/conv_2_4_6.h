#pragma once

#include <vector>

#include "layers/models/blocks.h"

namespace espalier::layers {

// Conv-2, Conv-4 and Conv-6 of the lottery tickets (Frankle & Carbin, ICLR 2019, figure 2): the front of a
// VGG for CIFAR-10, pairs of 3x3 convolutions each followed by 2x2 max pooling, then two fully connected
// layers.
struct ConvWidths {
  std::vector<int> convolutions;  // an even number
  std::vector<int> linear = {256, 256};
};
// `depth` is 2, 4 or 6: widths 64, 64, 128, 128, 256, 256, as many of them as that.
ConvWidths conv_widths(int depth, double width);
Network conv_2_4_6(const std::string& name, const ConvWidths& widths, const ModelOptions& options);

}  // namespace espalier::layers
