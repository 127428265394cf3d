#include "pruning/group_cost.h"

#include "pruning/surgery.h"

namespace espalier::pruning {

ChannelCost cost_of_channel(const layers::Network& network, const ChannelGraph& graph, int group) {
  const Removal first = graph.admissible({{group, 0}});
  if (first.empty()) return {};
  const layers::Network without = without_channels(network, first);
  return {network.parameter_count() - without.parameter_count(), network.flops() - without.flops()};
}

}  // namespace espalier::pruning
