#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/config.h"
#include "pruning/channel_criterion.h"

namespace espalier::pruning {

struct ChannelSelectionOptions {
  // Where scores are compared: in each group alone, among the groups of one resolution, in the whole network.
  std::string scope = "group";  // group, stage, global
  // What is to shrink by the share `reduction`: "channels", "flops", "parameters", or "latency", measured on
  // this machine.
  std::string target = "channels";
  double reduction = 0;
  // With scope "group", by one of a group's layers (ChannelGroup::named_by) or its own name ('*' stands for
  // any text; of names that fit one that fits the group's own goes before others, then one of more letters):
  // where `target` is "channels" the share of them that goes in place of `reduction`, else how hard the group
  // is pruned beside others, which those without a name here are at 1.
  std::map<std::string, double> layers;
  std::vector<std::string> protect;  // layers, likewise: their groups stay whole
  bool residual = true;              // whether channels that sums of branches carry go too
  int multiple = 1;                  // that the number of channels left in a group is a multiple of
};
// Reads scope, target, reduction, layers, protect, residual, multiple of a stage's table.
ChannelSelectionOptions read_channel_selection(const Config& config);

struct ChannelChoice {
  Removal removal;
  std::string shortfall;  // in words, where all that may go does not meet the target; else empty
};

// Chooses what goes from scores, toward shares of what the network was when this was made; channels may have
// been taken from it since.
class ChannelSelection {
 public:
  // Throws Error where an entry of `layers` or `protect` names no group whose channels can go, where one of
  // `layers` that is to lose channels names none that may, and where no channel may go.
  ChannelSelection(const layers::Network& network, const ChannelCriterion& criterion,
                   ChannelSelectionOptions options, Device device);

  // Whether channels of the group may be chosen, and not only go with others.
  bool takes_from(const ChannelGroup& group) const { return channels_.contains(group.name); }

  // The lowest scores go first, until the part `progress` of the way to the target is made; where that cannot
  // be reached without emptying a group, as far as it goes. Of equal scores the earlier channel goes first.
  // What others imply goes with them.
  ChannelChoice choose(const ChannelGraph& graph, const layers::Network& network, const ChannelScores& scores,
                       double progress = 1) const;
  // Whether the target is reached.
  bool reached(const layers::Network& network) const;
  // The `count` candidates of the lowest scores among all that may go.
  Removal lowest(const ChannelGraph& graph, const layers::Network& network, const ChannelScores& scores,
                 int64_t count) const;

 private:
  using Share = std::function<double(const layers::Network&)>;  // of the first network's cost

  // The candidates that may go, by what their scores are compared in, the lowest scores first, and how many
  // there were at the beginning.
  struct Contest {
    Removal order;
    double share = 0;  // that goes in relation to others
    int64_t at_first = 0;

    // How many are still to go until `part` of the share has.
    int64_t to_go(double part) const;
  };
  std::vector<Contest> contests(const ChannelGraph& graph, const layers::Network& network,
                                const ChannelScores& scores) const;
  // For a target of channels: each contest's own share.
  ChannelChoice choose_shares(const ChannelGraph& graph, const std::vector<Contest>& all,
                              double progress) const;

  ChannelSelectionOptions options_;
  std::map<std::string, int> channels_;  // of the groups that may go, at the beginning
  Share cost_;
};

}  // namespace espalier::pruning
