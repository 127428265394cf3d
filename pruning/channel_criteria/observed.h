#pragma once

#include "pruning/channel_criteria/filters.h"

namespace espalier::pruning {

// The nodes where a group's channels are looked at: behind its activation functions; without any, behind its
// batch norms; without those, wherever they are put out.
std::vector<int> observed(const layers::Network& network, const ChannelGroup& group);
// Those of all groups that can be pruned, as ForwardContext::outputs takes them.
std::map<int, Variable> observed(const layers::Network& network, const ChannelGraph& graph);

// From values by node and channel: by observed node, the mean over each candidate's channels.
std::vector<std::vector<float>> by_candidate(const ChannelGraph& graph, const layers::Network& network,
                                             const ChannelGroup& group,
                                             const std::vector<std::vector<double>>& values);

}  // namespace espalier::pruning
