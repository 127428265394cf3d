#include "pruning/channel_criteria/norm.h"

#include <cmath>

namespace espalier::pruning {
namespace {

// Σ |w| or √Σ w² over a channel's filter.
class FilterNorm final : public ChannelCriterion {
 public:
  FilterNorm(double (*norm)(const std::vector<float>&), Reduction reduction)
      : norm_(norm), reduction_(reduction) {}
  bool applies_to(const layers::Network& network, const ChannelGroup& group) const override {
    return has_filters(network, group);
  }
  ChannelScores scores(const ChannelGraph& graph, layers::Network& network, const Samples&) const override {
    return score_groups(*this, graph, network, [&](const ChannelGroup& group) {
      return norms(filters_of(network, group), norm_, reduction_);
    });
  }

 private:
  double (*norm_)(const std::vector<float>&);
  Reduction reduction_;
};

}  // namespace

double l1_norm(const std::vector<float>& filter) {
  double sum = 0;
  for (float w : filter) sum += std::abs(w);
  return sum;
}

double l2_norm(const std::vector<float>& filter) {
  double sum = 0;
  for (double w : filter) sum += w * w;
  return std::sqrt(sum);
}

std::vector<float> norms(const std::vector<Filters>& layers, double (*norm)(const std::vector<float>&),
                         Reduction reduction) {
  std::vector<std::vector<float>> by_layer;
  for (const Filters& filters : layers) {
    by_layer.emplace_back();
    for (const std::vector<float>& filter : filters)
      by_layer.back().push_back(static_cast<float>(norm(filter)));
  }
  return reduce(by_layer, reduction);
}

std::unique_ptr<ChannelCriterion> make_l1(const ChannelCriterionOptions& options) {
  return std::make_unique<FilterNorm>(l1_norm, options.reduction);
}
std::unique_ptr<ChannelCriterion> make_l2(const ChannelCriterionOptions& options) {
  return std::make_unique<FilterNorm>(l2_norm, options.reduction);
}

}  // namespace espalier::pruning
