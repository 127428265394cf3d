#pragma once

#include <array>

#include "layers/models/blocks.h"

namespace espalier::layers {

struct AlexNetWidths {
  std::array<int, 5> convolutions = {64, 192, 384, 256, 256};
  std::array<int, 2> linear = {4096, 4096};
};

AlexNetWidths alexnet_widths(double width);

// Krizhevsky's one-column AlexNet (arXiv 1404.5997), without groups and local response normalisation, as in
// torchvision, whose names the layers have: features.0, classifier.6. 61,100,840 parameters on 224x224x3 and
// 1000 classes.
Network alexnet(const AlexNetWidths& widths, const ModelOptions& options);

}  // namespace espalier::layers
