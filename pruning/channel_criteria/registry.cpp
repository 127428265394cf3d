#include <cmath>

#include "core/error.h"
#include "core/named_rows.h"
#include "pruning/channel_criterion.h"

namespace espalier::pruning {

std::span<const ChannelCriterionRow> channel_criteria() {
  static constexpr ChannelCriterionRow kRows[] = {
      {"l1", "ℓ1 norm of a channel's filters (Li et al., ICLR 2017)", false, true, make_l1},
      {"l2", "ℓ2 norm of a channel's filters (He et al., IJCAI 2018)", false, true, make_l2},
      {"geometric_median",
       "sum of a filter's distances to the others of its layer, after a share by norm (He et al., CVPR 2019)",
       false, true, make_geometric_median},
      {"batch_norm_scale", "|γ| of the batch norms that scale a channel (Liu et al., ICCV 2017)", false, true,
       make_batch_norm_scale},
      {"activation_mean", "mean of |activation| over images and positions (Molchanov et al., ICLR 2017)",
       true, true, make_activation_mean},
      {"apoz", "share of activations that are not zero (Hu et al., 2016)", true, true, make_apoz},
      {"taylor", "|mean of activation times its gradient|, rescaled by group (Molchanov et al., ICLR 2017)",
       true, true, make_taylor},
      {"random", "a random order, as a control", false, false, make_random_channels},
      {"oracle", "|change of the loss| when a channel alone is silenced (Molchanov et al., ICLR 2017)", true,
       false, make_oracle},
  };
  return kRows;
}

const ChannelCriterionRow& channel_criterion(std::string_view name) {
  return find_row(channel_criteria(), name, "[channels] unknown criterion", "criteria");
}

void check_finite(const ChannelGraph& graph, const ChannelScores& scores, std::string_view criterion) {
  for (size_t g = 0; g < scores.size(); ++g)
    for (size_t channel = 0; channel < scores[g].size(); ++channel)
      check(std::isfinite(scores[g][channel]),
            "[channels] the score of channel {} of '{}' by {} is {}; expected a finite number", channel,
            graph.groups()[g].name, criterion, scores[g][channel]);
}

}  // namespace espalier::pruning
