#include "apps/tables/channel_pruning.h"

namespace espalier::apps {

PruningTable lasso_table() {
  return {
      "Channel pruning by LASSO and reconstruction",
      "He, Zhang & Sun, ICCV 2017, CIFAR-10. Ours prune the channels within each block and rebuild the "
      "sum of the block's branches.",
      {
          {"ResNet-56", "2x", 92.80, 91.80, 50.0},
      },
      {
          pruned_resnet("resnet20", "2x", "channel-pruning/resnet20-cpu"),
          pruned_resnet("resnet56", "2x", "channel-pruning/resnet56-cpu", 0),
      },
  };
}

}  // namespace espalier::apps
