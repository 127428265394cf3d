#include <cmath>

#include "core/ops.h"
#include "pruning/channel_criteria/observed.h"
#include "pruning/group_cost.h"

namespace espalier::pruning {
namespace {

// First-order Taylor expansion of the loss C in a feature map z (Molchanov et al., ICLR 2017, eq. 8): for
// each image |mean over positions of ∂C/∂z · z|, averaged over images, in evaluation mode; divided by the ℓ2
// norm of its group's scores (section 2.2), and less λ times the MFLOPs that the channel's removal saves.
class Taylor final : public ChannelCriterion {
 public:
  explicit Taylor(const ChannelCriterionOptions& options) : options_(options) {}

  ChannelScores scores(const ChannelGraph& graph, layers::Network& network,
                       const Samples& samples) const override {
    const std::vector<std::vector<double>> expansion = expand(graph, network, samples);
    return score_groups(*this, graph, network, [&](const ChannelGroup& group) {
      std::vector<float> result = reduce(by_candidate(graph, network, group, expansion), options_.reduction);
      const int index = static_cast<int>(&group - graph.groups().data());
      double squares = 0;
      for (double score : result) squares += score * score;
      const double norm = squares > 0 ? std::sqrt(squares) : 1;
      const double saved = options_.flops_weight > 0
                               ? 1e-6 * static_cast<double>(cost_of_channel(network, graph, index).flops)
                               : 0;
      for (float& score : result)
        score = static_cast<float>(static_cast<double>(score) / norm - options_.flops_weight * saved);
      return result;
    });
  }

 private:
  // By node and channel; empty for nodes that nobody looks at.
  static std::vector<std::vector<double>> expand(const ChannelGraph& graph, layers::Network& network,
                                                 const Samples& samples) {
    const std::map<int, Variable> wanted = observed(network, graph);
    std::vector<std::vector<double>> result(network.nodes().size());
    int64_t images = 0;
    for (const datasets::Batch& batch : samples) {
      const int64_t count = batch.labels.numel();
      images += count;
      std::map<int, Variable> outputs = wanted;
      const Variable logits = network.forward(Variable(batch.images), {.outputs = &outputs});
      for (const auto& [n, output] : outputs) output.retain_gradient();
      // The sum over the images, so that each has the gradient of its own loss.
      ops::scale(ops::cross_entropy(logits, batch.labels).loss, static_cast<double>(count)).backward();
      for (const auto& [n, output] : outputs) {
        std::vector<double>& sums = result[static_cast<size_t>(n)];
        const auto channels = static_cast<size_t>(graph.channels(n));
        sums.resize(channels, 0.0);
        if (!output.gradient().defined()) continue;  // the loss does not depend on it
        const std::vector<float> z = output.value().to_vector<float>(),
                                 g = output.gradient().to_vector<float>();
        const size_t of_image = z.size() / static_cast<size_t>(count), positions = of_image / channels;
        std::vector<double> products(channels);
        for (size_t image = 0; image < z.size(); image += of_image) {
          std::ranges::fill(products, 0.0);
          for (size_t e = 0; e < of_image; ++e)
            products[e % channels] += static_cast<double>(z[image + e]) * static_cast<double>(g[image + e]);
          for (size_t c = 0; c < channels; ++c)
            sums[c] += std::abs(products[c]) / static_cast<double>(positions);
        }
      }
      for (Parameter* parameter : network.parameters()) parameter->variable.clear_gradient();
    }
    for (auto& sums : result)
      for (double& sum : sums) sum /= static_cast<double>(images);
    return result;
  }

  ChannelCriterionOptions options_;
};

}  // namespace

std::unique_ptr<ChannelCriterion> make_taylor(const ChannelCriterionOptions& options) {
  return std::make_unique<Taylor>(options);
}

}  // namespace espalier::pruning
