#include <cmath>

#include "pruning/channel_criteria/observed.h"

namespace espalier::pruning {
namespace {

// The mean of value(activation) over images, positions and a candidate's channels, in evaluation mode.
class ActivationMean final : public ChannelCriterion {
 public:
  ActivationMean(double (*value)(float), Reduction reduction) : value_(value), reduction_(reduction) {}

  ChannelScores scores(const ChannelGraph& graph, layers::Network& network,
                       const Samples& samples) const override {
    const NoGradient no_gradient;
    const std::vector<std::vector<double>> means = channel_means(graph, network, samples);
    return score_groups(*this, graph, network, [&](const ChannelGroup& group) {
      return reduce(by_candidate(graph, network, group, means), reduction_);
    });
  }

 private:
  // By node and channel; empty for nodes that nobody looks at.
  std::vector<std::vector<double>> channel_means(const ChannelGraph& graph, layers::Network& network,
                                                 const Samples& samples) const {
    const std::map<int, Variable> wanted = observed(network, graph);
    std::vector<std::vector<double>> result(network.nodes().size());
    int64_t images = 0;
    for (const datasets::Batch& batch : samples) {
      images += batch.labels.numel();
      std::map<int, Variable> outputs = wanted;
      network.forward(Variable(batch.images), {.outputs = &outputs});
      for (const auto& [n, output] : outputs) {
        std::vector<double>& sums = result[static_cast<size_t>(n)];
        const auto channels = static_cast<size_t>(graph.channels(n));
        sums.resize(channels, 0.0);
        const std::vector<float> values = output.value().to_vector<float>();
        for (size_t e = 0; e < values.size(); ++e) sums[e % channels] += value_(values[e]);
      }
    }
    for (const auto& [n, unused] : wanted) {
      const auto& shape = network.nodes()[static_cast<size_t>(n)].output;
      for (double& sum : result[static_cast<size_t>(n)]) sum /= static_cast<double>(images * shape.rows());
    }
    return result;
  }

  double (*value_)(float);
  Reduction reduction_;
};

}  // namespace

std::unique_ptr<ChannelCriterion> make_activation_mean(const ChannelCriterionOptions& options) {
  return std::make_unique<ActivationMean>([](float a) { return std::abs(static_cast<double>(a)); },
                                          options.reduction);
}
// The average percentage of zeros, from 1: most zeros go first.
std::unique_ptr<ChannelCriterion> make_apoz(const ChannelCriterionOptions& options) {
  return std::make_unique<ActivationMean>([](float a) { return a == 0 ? 0.0 : 1.0; }, options.reduction);
}

}  // namespace espalier::pruning
