#include "pruning/stages.h"
#include "pruning/stages/channel_pruner.h"

namespace espalier::pruning {
namespace {

// Zeroes the weights that make the channels, and nothing else: with its batch norm as it was a filter can
// come back.
void zero_filters(layers::Network& network, const ChannelGraph& graph, const Removal& removal) {
  const auto masks = silencing_masks(network, graph, RemovedChannels(graph, removal), Shifts::keep);
  for (const auto& [name, mask] : masks) {
    const Parameter& parameter = network.parameter(name);
    if (parameter.kind != ParameterKind::weight) continue;
    Tensor weight = parameter.variable.value();
    weight.backend().apply_mask(weight, mask);
  }
}

class SoftPruneStage final : public Stage {
 public:
  explicit SoftPruneStage(const Config& config)
      : pruner_(config, "l2"), train_(read_train_options(config, TrainOptions{}.epochs)) {}

  void check(const layers::Network& network, const datasets::Split& data) const override {
    pruner_.check(network);
    check_train_options(train_, network, data);
  }

  void run(StageContext& context) override {
    const layers::Network before = without_channels(context.model.network, {});
    const ChannelGraph graph(before);
    const ChannelSelection selection = pruner_.selection(before, context.model.device());
    const auto chosen = [&](int64_t epoch) {
      return selection.choose(graph, context.model.network,
                              pruner_.scores(context, graph, static_cast<uint64_t>(epoch)));
    };
    train(context, train_, {.before_epoch = [&](int64_t epoch) {
            const Removal removal = chosen(epoch);
            zero_filters(context.model.network, graph, removal);
            return ModelChange{};
          }});
    pruner_.prune(context, chosen(train_.epochs), before);
    context.metrics["pruned"] = pruned_channels(before, context.model.network);
  }

 private:
  ChannelPruner pruner_;
  TrainOptions train_;
};

}  // namespace

std::unique_ptr<Stage> make_soft_prune_stage(const Config& config) {
  return std::make_unique<SoftPruneStage>(config);
}

}  // namespace espalier::pruning
