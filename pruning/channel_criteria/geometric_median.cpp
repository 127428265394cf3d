#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "pruning/channel_criteria/norm.h"

namespace espalier::pruning {
namespace {

// ‖a − b‖₂; of candidates with filters of several sizes, what one lacks counts as zero.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  const std::vector<float>&longer = a.size() < b.size() ? b : a, &shorter = a.size() < b.size() ? a : b;
  // Sums side by side, which a compiler may keep in one vector: a sum in order it may not.
  constexpr size_t kLanes = 8;
  std::array<float, kLanes> sums{};
  const size_t whole = shorter.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float difference = longer[i + lane] - shorter[i + lane];
      sums[lane] += difference * difference;
    }
  double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  for (size_t i = whole; i < longer.size(); ++i) {
    const double difference = longer[i] - (i < shorter.size() ? shorter[i] : 0.0f);
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

// Σ_j ‖W_k − W_j‖₂ over the candidates j of `among`; 0 for a k that is not one of them.
std::vector<float> distances(const Filters& filters, const std::vector<size_t>& among) {
  std::vector<double> sums(filters.size(), 0.0);
  for (size_t k = 0; k < among.size(); ++k)
    for (size_t j = 0; j < k; ++j) {
      const double apart = distance(filters[among[k]], filters[among[j]]);
      sums[among[k]] += apart;
      sums[among[j]] += apart;
    }
  return {sums.begin(), sums.end()};
}

// The filters that lie nearest to the geometric median of their layer's are those that the others replace
// best (He et al., CVPR 2019, section 3.3). With a share by norm ("FPGM-mix") that many of a group's channels
// go before all others, in the order of their ℓ2 norms, and the distances are those among the others.
class GeometricMedian final : public ChannelCriterion {
 public:
  explicit GeometricMedian(const ChannelCriterionOptions& options) : options_(options) {}
  bool applies_to(const layers::Network& network, const ChannelGroup& group) const override {
    return has_filters(network, group);
  }
  ChannelScores scores(const ChannelGraph& graph, layers::Network& network, const Samples&) const override {
    return score_groups(*this, graph, network,
                        [&](const ChannelGroup& group) { return score(filters_of(network, group)); });
  }

 private:
  std::vector<float> score(const std::vector<Filters>& layers) const {
    const std::vector<float> norm = norms(layers, l2_norm, options_.reduction);
    std::vector<size_t> order(norm.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, {}, [&](size_t k) { return norm[k]; });
    const auto small =
        static_cast<std::ptrdiff_t>(std::llround(options_.norm_share * static_cast<double>(norm.size())));
    const std::vector<size_t> others(order.begin() + small, order.end());
    std::vector<std::vector<float>> by_layer;
    for (const Filters& filters : layers) by_layer.push_back(distances(filters, others));
    std::vector<float> result = reduce(by_layer, options_.reduction);
    for (std::ptrdiff_t i = 0; i < small; ++i)
      result[order[static_cast<size_t>(i)]] = static_cast<float>(i - small);
    return result;
  }

  ChannelCriterionOptions options_;
};

}  // namespace

std::unique_ptr<ChannelCriterion> make_geometric_median(const ChannelCriterionOptions& options) {
  return std::make_unique<GeometricMedian>(options);
}

}  // namespace espalier::pruning
