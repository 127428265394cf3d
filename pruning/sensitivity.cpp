#include "pruning/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pruning/surgery.h"
#include "training/evaluate.h"

namespace espalier::pruning {

Sensitivity measure_sensitivity(layers::Network& network, const ChannelCriterion& criterion,
                                const Samples& samples,
                                const std::shared_ptr<const datasets::Dataset>& images,
                                const std::vector<double>& shares, Device device,
                                const std::function<void(const std::string&)>& at_group) {
  const ChannelGraph graph(network);
  const ChannelScores scores = criterion.scores(graph, network, samples);
  check_finite(graph, scores, "the criterion");
  Sensitivity result{.images = images->size(),
                     .accuracy = evaluate(network, images, device).accuracy(),
                     .shares = shares,
                     .groups = {}};
  for (int g = 0; g < std::ssize(graph.groups()); ++g) {
    const std::vector<float>& score = scores[static_cast<size_t>(g)];
    if (score.empty()) continue;
    const ChannelGroup& group = graph.groups()[static_cast<size_t>(g)];
    at_group(group.name);
    std::vector<int> order(score.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](int channel) { return score[static_cast<size_t>(channel)]; });
    GroupSensitivity sensitivity{group.name, group.channels};
    for (const double share : shares) {
      Removal wishes;
      const auto count = static_cast<size_t>(std::llround(share * group.channels));
      for (size_t i = 0; i < count; ++i) wishes.push_back({g, order[i]});
      layers::Network pruned = remove_channels(network, graph.admissible(wishes)).network;
      sensitivity.accuracies.push_back(evaluate(pruned, images, device).accuracy());
    }
    result.groups.push_back(std::move(sensitivity));
  }
  return result;
}

double suggested_share(const Sensitivity& sensitivity, const GroupSensitivity& group, double loss) {
  double suggested = 0;
  for (size_t i = 0; i < sensitivity.shares.size(); ++i) {
    if (sensitivity.accuracy - group.accuracies[i] > loss) break;
    suggested = sensitivity.shares[i];
  }
  return suggested;
}

}  // namespace espalier::pruning
