#include "apps/tables/channel_pruning.h"

namespace espalier::apps {

PruningTable fpgm_table() {
  return {
      "Filter pruning via geometric median",
      "He, Liu, Wang, Hu & Yang, CVPR 2019, table 1, CIFAR-10, FPGM-only. Ours prune the channels "
      "within each block, whose sum with the shortcut stays whole, to the same share of FLOPs, from a "
      "trained network, in shares that follow `espalier sensitivity`; or, for speed, in one go and to widths "
      "that fill a processor's vectors.",
      {
          {"ResNet-20", "30 %, from scratch", 92.20, 91.09, 42.2},
          {"ResNet-20", "40 %, from scratch", 92.20, 90.44, 54.0},
          {"ResNet-56", "40 %, from scratch", 93.59, 92.93, 52.6},
          {"ResNet-56", "40 %, from pretrained", 93.59, 93.49, 52.6},
          {"ResNet-110", "40 %, from scratch", 93.68, 93.73, 52.3},
      },
      {
          pruned_resnet("resnet20", "from pretrained", "fpgm/resnet20-cpu", 0),
          pruned_resnet("resnet56", "from pretrained", "fpgm/resnet56-cpu", 3),
          pruned_resnet("resnet56", "whole vectors", "fpgm/resnet56-vectors-cpu", 3),
      },
  };
}

}  // namespace espalier::apps
