#include "apps/tables/channel_pruning.h"

namespace espalier::apps {

PruningTable slimming_table() {
  return {
      "Network slimming",
      "Liu, Li, Shen, Huang, Yan & Zhang, ICCV 2017, table 1, CIFAR-10. Ours is VGG-11 from scratch. As in "
      "the paper the fine-tuning comes on top: the unpruned network trains for the epochs before the pruning "
      "alone.",
      {
          {"VGG-19", "70 %", 93.66, 93.80, 51.0, 88.5},
          {"ResNet-164", "40 %", 94.58, 94.92, 23.7},
          {"ResNet-164", "60 %", 94.58, 94.73, 44.9},
          {"DenseNet-40", "40 %", 93.89, 94.81, 28.4},
          {"DenseNet-40", "70 %", 93.89, 94.35, 55.0},
      },
      {
          {"VGG-11",
           "70 %",
           {"slimming/vgg11-cpu", "", "slimming/vgg11-cpu"},
           {"cifar/vgg11-unpruned-cpu", "", "cifar/vgg11-unpruned-cpu"},
           0},
      },
  };
}

}  // namespace espalier::apps
