#include "pruning/channel_criteria/filters.h"

#include <algorithm>

namespace espalier::pruning {
namespace {

using layers::ChannelFlow;

ParameterKind kind_of(const layers::Network& network, const ChannelSlices& slices) {
  const auto& parameters = network.nodes()[static_cast<size_t>(slices.node)].layer->parameters();
  const auto found = std::ranges::find(parameters, slices.tensor, &Parameter::name);
  // A buffer is none of the kinds that are asked for.
  return found == parameters.end() ? ParameterKind::bias : found->kind;
}

std::vector<const ChannelSlices*> slices_of(const layers::Network& network, const ChannelGroup& group,
                                            ParameterKind kind, ChannelFlow::Side side) {
  std::vector<const ChannelSlices*> result;
  for (const ChannelSlices& slices : group.slices)
    if (slices.side == side && kind_of(network, slices) == kind) result.push_back(&slices);
  return result;
}

std::vector<const ChannelSlices*> filter_slices(const layers::Network& network, const ChannelGroup& group) {
  auto made = slices_of(network, group, ParameterKind::weight, ChannelFlow::Side::output);
  return made.empty() ? slices_of(network, group, ParameterKind::weight, ChannelFlow::Side::input) : made;
}

Filters cut(layers::Network& network, const ChannelGroup& group, const ChannelSlices& slices) {
  const Tensor& tensor = network.parameter(slices.tensor).variable.value();
  const std::vector<float> values = tensor.to_vector<float>();
  const auto extent = static_cast<size_t>(tensor.shape()[slices.axis]);
  size_t inner = 1;
  for (int i = slices.axis + 1; i < tensor.shape().rank(); ++i)
    inner *= static_cast<size_t>(tensor.shape()[i]);
  Filters result(static_cast<size_t>(group.channels));
  for (int candidate = 0; candidate < group.channels; ++candidate) {
    std::vector<float>& filter = result[static_cast<size_t>(candidate)];
    for (size_t block = 0; block < values.size(); block += extent * inner)
      for (int index : slices.of(candidate)) {
        const auto first =
            values.begin() + static_cast<std::ptrdiff_t>(block + static_cast<size_t>(index) * inner);
        filter.insert(filter.end(), first, first + static_cast<std::ptrdiff_t>(inner));
      }
  }
  return result;
}

std::vector<Filters> cut_all(layers::Network& network, const ChannelGroup& group,
                             const std::vector<const ChannelSlices*>& all) {
  std::vector<Filters> result;
  for (const ChannelSlices* slices : all) result.push_back(cut(network, group, *slices));
  return result;
}

}  // namespace

std::vector<Filters> filters_of(layers::Network& network, const ChannelGroup& group) {
  return cut_all(network, group, filter_slices(network, group));
}

bool has_filters(const layers::Network& network, const ChannelGroup& group) {
  return !filter_slices(network, group).empty();
}

std::vector<Filters> norm_scales_of(layers::Network& network, const ChannelGroup& group) {
  return cut_all(network, group,
                 slices_of(network, group, ParameterKind::norm_scale, ChannelFlow::Side::output));
}

ChannelScores score_groups(const ChannelCriterion& criterion, const ChannelGraph& graph,
                           layers::Network& network,
                           const std::function<std::vector<float>(const ChannelGroup&)>& score) {
  ChannelScores result;
  for (const ChannelGroup& group : graph.groups())
    result.push_back(group.prunable && criterion.applies_to(network, group) ? score(group)
                                                                            : std::vector<float>());
  return result;
}

}  // namespace espalier::pruning
