#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pruning/channel_graph.h"
#include "pruning/samples.h"

namespace espalier::pruning {

// One finite score for each candidate of a group, by group; the lowest go first. Empty for groups that cannot
// be pruned or that the criterion does not apply to.
using ChannelScores = std::vector<std::vector<float>>;

// How the scores that the layers of a group give a candidate become one.
enum class Reduction : uint8_t {
  sum,
  mean,
  max,
  producer,  // that of the group's first layer alone
};
const std::vector<std::string>& reduction_names();
// Throws Error, listing the names, for an unknown one.
Reduction reduction_from_name(std::string_view name);
// Of scores by layer and candidate. REQUIRES: as many in each layer.
std::vector<float> reduce(const std::vector<std::vector<float>>& by_layer, Reduction reduction);

struct ChannelCriterionOptions {
  Reduction reduction = Reduction::mean;
  double norm_share = 0;    // geometric_median: of each group's channels, those that go by their norm
  double flops_weight = 0;  // taylor: λ of the 10⁶ multiply-accumulates that a channel saves
  uint64_t seed = 1;        // random
  // oracle: hears each group's name before its turn, which is long; may throw to end it.
  std::function<void(const std::string&)> at_group = {};
};

// Scores channels: what a network would lose with each.
class ChannelCriterion {
 public:
  virtual ~ChannelCriterion() = default;
  // Whether the group has what is scored: unless a criterion says otherwise layers that make its channels,
  // for those that are only chosen from others' go with them. REQUIRES: the group is one of `network`, which
  // needs no weights.
  virtual bool applies_to(const layers::Network& /*network*/, const ChannelGroup& group) const {
    return !group.producers.empty();
  }
  // The network is as it was afterwards. `samples` may be empty unless the criterion's row asks for them.
  virtual ChannelScores scores(const ChannelGraph& graph, layers::Network& network,
                               const Samples& samples) const = 0;
};

// Throws Error, saying whose it is, where a score is not finite: the network's weights or its losses are not.
void check_finite(const ChannelGraph& graph, const ChannelScores& scores, std::string_view criterion);

struct ChannelCriterionRow {
  std::string_view name;
  std::string_view description;
  bool needs_samples;
  bool reduces;  // ChannelCriterionOptions::reduction matters
  std::unique_ptr<ChannelCriterion> (*make)(const ChannelCriterionOptions& options);
};
std::span<const ChannelCriterionRow> channel_criteria();
// Throws Error, listing the names, for an unknown one.
const ChannelCriterionRow& channel_criterion(std::string_view name);

std::unique_ptr<ChannelCriterion> make_l1(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_l2(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_geometric_median(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_batch_norm_scale(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_activation_mean(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_apoz(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_taylor(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_random_channels(const ChannelCriterionOptions& options);
std::unique_ptr<ChannelCriterion> make_oracle(const ChannelCriterionOptions& options);

}  // namespace espalier::pruning
