#include <cmath>

#include "core/ops.h"
#include "pruning/channel_criteria/filters.h"
#include "pruning/silence.h"

namespace espalier::pruning {
namespace {

// The mean cross-entropy in evaluation mode.
double loss_on(layers::Network& network, const Samples& samples) {
  double sum = 0;
  int64_t images = 0;
  for (const datasets::Batch& batch : samples) {
    const Variable logits = network.forward(Variable(batch.images), {});
    const int64_t count = batch.labels.numel();
    sum += ops::cross_entropy(logits, batch.labels).loss.value().item() * static_cast<double>(count);
    images += count;
  }
  return sum / static_cast<double>(images);
}

// Holds zeros in parameters while it lives.
class Silenced {
 public:
  Silenced(layers::Network& network, const std::map<std::string, Tensor>& masks) {
    for (const auto& [name, mask] : masks) {
      Tensor& tensor = network.parameter(name).variable.value();
      held_.emplace_back(&tensor, tensor.clone());
      tensor.backend().apply_mask(tensor, mask);
    }
  }
  ~Silenced() {
    for (auto& [tensor, before] : held_) tensor->copy_from(before);
  }
  Silenced(const Silenced&) = delete;
  Silenced& operator=(const Silenced&) = delete;

 private:
  std::vector<std::pair<Tensor*, Tensor>> held_;
};

// |C(without the channel) − C|, which the paper finds to rank better than the signed change (Molchanov et
// al., ICLR 2017, section 2.1). One pass over the samples for every candidate: for small networks, and to
// judge the other criteria by. 0 for a candidate that can never go, since that would leave a group without
// channels.
class Oracle final : public ChannelCriterion {
 public:
  explicit Oracle(std::function<void(const std::string&)> at_group) : at_group_(std::move(at_group)) {}

  ChannelScores scores(const ChannelGraph& graph, layers::Network& network,
                       const Samples& samples) const override {
    const NoGradient no_gradient;
    const double whole = loss_on(network, samples);
    return score_groups(*this, graph, network, [&](const ChannelGroup& group) {
      if (at_group_) at_group_(group.name);
      const int index = static_cast<int>(&group - graph.groups().data());
      std::vector<float> result;
      for (int channel = 0; channel < group.channels; ++channel) {
        const Removal removal = graph.admissible({{index, channel}});
        if (removal.empty()) {
          result.push_back(0.0f);
          continue;
        }
        const Silenced silenced(
            network, silencing_masks(network, graph, RemovedChannels(graph, removal), Shifts::zero));
        result.push_back(static_cast<float>(std::abs(loss_on(network, samples) - whole)));
      }
      return result;
    });
  }

 private:
  std::function<void(const std::string&)> at_group_;
};

}  // namespace

std::unique_ptr<ChannelCriterion> make_oracle(const ChannelCriterionOptions& options) {
  return std::make_unique<Oracle>(options.at_group);
}

}  // namespace espalier::pruning
