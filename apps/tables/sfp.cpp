#include "apps/tables/channel_pruning.h"

namespace espalier::apps {

PruningTable sfp_table() {
  return {
      "Soft filter pruning",
      "He, Kang, Dong, Fu & Yang, IJCAI 2018, CIFAR-10, as FPGM's table 1 quotes it. Ours as those of "
      "FPGM.",
      {
          {"ResNet-20", "30 %, from scratch", 92.20, 90.83, 42.2},
          {"ResNet-56", "40 %, from scratch", 93.59, 92.26, 52.6},
          {"ResNet-56", "40 %, from pretrained", 93.59, 93.35, 52.6},
          {"ResNet-110", "from scratch", 93.68, 93.38, 40.8},
      },
      {
          pruned_resnet("resnet20", "from pretrained", "sfp/resnet20-cpu", 0),
      },
  };
}

}  // namespace espalier::apps
