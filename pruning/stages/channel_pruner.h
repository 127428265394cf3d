#pragma once

#include "pruning/channel_selection.h"
#include "pruning/surgery.h"
#include "training/trainer.h"

namespace espalier::pruning {

// How a stage scores channels and takes them away: what the stages of structured pruning have in common.
class ChannelPruner {
 public:
  // Reads criterion, reduce, norm_share, flops_weight, samples, shifts, and what read_channel_selection does.
  ChannelPruner(const Config& config, const std::string& default_criterion);

  // Throws Error where the options do not fit the network.
  void check(const layers::Network& network) const;
  // REQUIRES: `network` is the one that the stage began with.
  ChannelSelection selection(const layers::Network& network, Device device) const;
  // Of the model as it is now. `draw` numbers the times that a stage asks: each sees images of its own.
  // Throws Error where one is not finite.
  ChannelScores scores(StageContext& context, const ChannelGraph& graph, uint64_t draw) const;
  // Takes the channels away; says so in the log. `before` is the network that the stage began with.
  ModelChange prune(StageContext& context, const Removal& removal, const layers::Network& before) const;

 private:
  std::unique_ptr<ChannelCriterion> criterion(uint64_t seed) const;

  std::string criterion_;
  ChannelCriterionOptions options_;
  ChannelSelectionOptions selection_;
  int64_t samples_;
  Shifts shifts_;
};

// What the choice takes; the log says what the target falls short of.
Removal announced(const StageContext& context, ChannelChoice choice);

// What a stage adds to its row of the report: the channels left of each group that lost any, and the share of
// the parameters and FLOPs of `before` that went.
nlohmann::json pruned_channels(const layers::Network& before, const layers::Network& after);

}  // namespace espalier::pruning
