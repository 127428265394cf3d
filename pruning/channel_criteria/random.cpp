#include "core/random.h"

#include "pruning/channel_criteria/filters.h"

namespace espalier::pruning {
namespace {

// A uniform draw per candidate, the same whenever it is asked: the control that a criterion has to beat.
class RandomChannels final : public ChannelCriterion {
 public:
  explicit RandomChannels(uint64_t seed) : seed_(seed) {}
  ChannelScores scores(const ChannelGraph& graph, layers::Network& network, const Samples&) const override {
    return score_groups(*this, graph, network, [&](const ChannelGroup& group) {
      return RandomStream(seed_, "channels/" + group.name).uniform({group.channels}, 0, 1).to_vector<float>();
    });
  }

 private:
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<ChannelCriterion> make_random_channels(const ChannelCriterionOptions& options) {
  return std::make_unique<RandomChannels>(options.seed);
}

}  // namespace espalier::pruning
