#include "pruning/channel_criteria/norm.h"

namespace espalier::pruning {
namespace {

// |γ| of the batch norms that scale a channel (Liu et al., ICCV 2017, section 3).
class BatchNormScale final : public ChannelCriterion {
 public:
  explicit BatchNormScale(Reduction reduction) : reduction_(reduction) {}
  bool applies_to(const layers::Network&, const ChannelGroup& group) const override {
    return !group.norms.empty();
  }
  ChannelScores scores(const ChannelGraph& graph, layers::Network& network, const Samples&) const override {
    return score_groups(*this, graph, network, [&](const ChannelGroup& group) {
      return norms(norm_scales_of(network, group), l1_norm, reduction_);
    });
  }

 private:
  Reduction reduction_;
};

}  // namespace

std::unique_ptr<ChannelCriterion> make_batch_norm_scale(const ChannelCriterionOptions& options) {
  return std::make_unique<BatchNormScale>(options.reduction);
}

}  // namespace espalier::pruning
