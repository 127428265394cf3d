#include "pruning/channel_criteria/observed.h"

namespace espalier::pruning {

std::vector<int> observed(const layers::Network& network, const ChannelGroup& group) {
  std::vector<int> activations;
  for (int n : group.nodes) {
    if (n < 0) continue;
    const auto& node = network.nodes()[static_cast<size_t>(n)];
    if (node.layer->tail_part() == layers::Layer::TailPart::activation || node.type == "tanh" ||
        node.type == "sigmoid")
      activations.push_back(n);
  }
  if (!activations.empty()) return activations;
  return group.norms.empty() ? group.nodes : group.norms;
}

std::map<int, Variable> observed(const layers::Network& network, const ChannelGraph& graph) {
  std::map<int, Variable> result;
  for (const ChannelGroup& group : graph.groups())
    if (group.prunable)
      for (int n : observed(network, group)) result[n] = {};
  return result;
}

std::vector<std::vector<float>> by_candidate(const ChannelGraph& graph, const layers::Network& network,
                                             const ChannelGroup& group,
                                             const std::vector<std::vector<double>>& values) {
  const int index = static_cast<int>(&group - graph.groups().data());
  std::vector<std::vector<float>> result;
  for (int n : observed(network, group)) {
    std::vector<double> sums(static_cast<size_t>(group.channels), 0.0), counts = sums;
    for (int64_t c = 0; c < graph.channels(n); ++c) {
      const Candidate candidate = graph.candidate(n, c);
      if (candidate.group != index) continue;
      sums[static_cast<size_t>(candidate.channel)] += values[static_cast<size_t>(n)][static_cast<size_t>(c)];
      counts[static_cast<size_t>(candidate.channel)] += 1;
    }
    result.emplace_back();
    for (size_t i = 0; i < sums.size(); ++i) result.back().push_back(static_cast<float>(sums[i] / counts[i]));
  }
  return result;
}

}  // namespace espalier::pruning
