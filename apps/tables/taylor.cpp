#include "apps/tables/channel_pruning.h"

namespace espalier::apps {
namespace {

PruningTable table() {
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

}  // namespace

std::vector<TableRun> taylor_runs() {
  return runs_of(table());
}
Page taylor_table(const std::vector<nlohmann::json>& summaries) {
  return render(table(), summaries);
}

}  // namespace espalier::apps
