#pragma once

#include <vector>

#include "layers/models/blocks.h"

namespace espalier::layers {

struct MobileNetV1Widths {
  int stem = 32;
  std::vector<int> blocks = {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024};
};
MobileNetV1Widths mobilenet_v1_widths(double width);

// Howard et al., 2017, table 1: depthwise 3x3 and pointwise convolutions, each with batch norm and ReLU.
// Layers are numbered features.0.0 (convolution), features.0.1 (batch norm), features.1.0 (depthwise),
// features.1.3 (pointwise), classifier.
Network mobilenet_v1(const MobileNetV1Widths& widths, const ModelOptions& options);

struct MobileNetV2Widths {
  int stem = 32;
  struct Block {
    int expanded;  // channels of the depthwise convolution
    bool expands;  // by a pointwise convolution before it; otherwise `expanded` is what the block reads
    int channels;
    int stride;
  };
  std::vector<Block> blocks;
  int last = 1280;
};
// Widths are rounded to multiples of 8 and never below 0.9 of what they would be; `last` is not narrowed.
MobileNetV2Widths mobilenet_v2_widths(double width);

// Sandler et al., CVPR 2018, table 2: inverted residuals with ReLU6. Layers are named as torchvision's:
// features.0.0, features.2.conv.0.0, features.18.0, classifier.1. 3,504,872 parameters for 1000 classes.
Network mobilenet_v2(const MobileNetV2Widths& widths, const ModelOptions& options);

}  // namespace espalier::layers
