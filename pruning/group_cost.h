#pragma once

#include "pruning/channel_graph.h"

namespace espalier::pruning {

// What the network saves without one channel of a group, and what goes with it.
struct ChannelCost {
  int64_t parameters = 0;
  int64_t flops = 0;  // multiply-accumulates of one image
};
// Of the group's first channel; nothing where it cannot go. `network` needs no weights.
ChannelCost cost_of_channel(const layers::Network& network, const ChannelGraph& graph, int group);

}  // namespace espalier::pruning
