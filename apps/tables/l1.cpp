#include "apps/tables/channel_pruning.h"

namespace espalier::apps {

PruningTable l1_table() {
  return {
      "L1-norm filter pruning",
      "Li, Kadav, Durdanovic, Samet & Graf, ICLR 2017, table 1, CIFAR-10. Ours prune the first convolution "
      "of each block to the share of FLOPs that ResNet-56-B loses, less where the network is sensitive; or, "
      "for speed, to widths that fill a processor's vectors.",
      {
          {"VGG-16", "A", 93.25, 93.40, 34.2, 64.0},
          {"ResNet-56", "A", 93.04, 93.10, 10.4, 9.4},
          {"ResNet-56", "B", 93.04, 93.06, 27.6, 13.7},
          {"ResNet-110", "A", 93.53, 93.55, 15.9, 2.3},
          {"ResNet-110", "B", 93.53, 93.30, 38.6, 32.4},
      },
      {
          pruned_resnet("resnet20", "as B", "l1/resnet20-cpu", 2),
          pruned_resnet("resnet56", "whole vectors", "l1/resnet56-vectors-cpu", std::nullopt),
      },
  };
}

}  // namespace espalier::apps
