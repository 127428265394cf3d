#include "apps/tables/channel_pruning.h"

namespace espalier::apps {

PruningTable taylor_table() {
  return {
      "Taylor pruning",
      "Molchanov, Tyree, Karras, Aila & Kautz, ICLR 2017, prune VGG-16, AlexNet and a recurrent "
      "network on other data; no row of theirs stands beside these.",
      {},
      {
          pruned_resnet("resnet20", "half of the FLOPs", "taylor/resnet20-cpu"),
      },
  };
}

}  // namespace espalier::apps
