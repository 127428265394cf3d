#pragma once

#include <functional>

#include "pruning/channel_criterion.h"

namespace espalier::pruning {

// What a tensor of one layer holds for each candidate of a group.
using Filters = std::vector<std::vector<float>>;

// One for each layer whose weights make the group's channels; where none does (behind a select_channels
// layer), one for each whose weights read them.
std::vector<Filters> filters_of(layers::Network& network, const ChannelGroup& group);
// Whether there are any.
bool has_filters(const layers::Network& network, const ChannelGroup& group);
// The scales of the group's batch norms.
std::vector<Filters> norm_scales_of(layers::Network& network, const ChannelGroup& group);

// score(group) for every group that can be pruned and that `criterion` applies to.
ChannelScores score_groups(const ChannelCriterion& criterion, const ChannelGraph& graph,
                           layers::Network& network,
                           const std::function<std::vector<float>(const ChannelGroup&)>& score);

}  // namespace espalier::pruning
