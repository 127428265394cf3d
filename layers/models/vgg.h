#pragma once

#include <string>
#include <vector>

#include "layers/models/blocks.h"

namespace espalier::layers {

// How a VGG ends: `cifar` is one linear layer over the mean of the last feature maps, as the pruning papers
// have it; `imagenet` is Simonyan & Zisserman's two hidden layers of 4096 with dropout.
enum class VggHead { cifar, imagenet };

struct VggWidths {
  // A number for each convolution, 0 for a 2x2 max pooling.
  std::vector<int> features;
  std::vector<int> linear;  // hidden layers of the head
};
// The configurations A, B, D and E of Simonyan & Zisserman (ICLR 2015, table 1): `depth` 11, 13, 16, 19.
VggWidths vgg_widths(int depth, VggHead head, double width);

// With batch norm after every convolution. Named as torchvision's vgg*_bn: features.0, features.1 (batch
// norm), classifier.6; the CIFAR head is `classifier`, its convolutions have no bias (Liu et al., ICCV 2017).
Network vgg(const std::string& name, const VggWidths& widths, VggHead head, const ModelOptions& options);

}  // namespace espalier::layers
