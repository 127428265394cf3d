#include <algorithm>

#include "core/error.h"
#include "pruning/mask.h"
#include "pruning/stages.h"
#include "pruning/stages/channel_pruner.h"

namespace espalier::pruning {
namespace {

// By weight, what makes the channels of `removal`, and nothing else: with its batch norm as it was a filter
// can come back.
Masks filter_masks(layers::Network& network, const ChannelGraph& graph, const Removal& removal) {
  Masks masks = silencing_masks(network, graph, RemovedChannels(graph, removal), Shifts::keep);
  std::erase_if(
      masks, [&](const auto& entry) { return network.parameter(entry.first).kind != ParameterKind::weight; });
  return masks;
}

class SoftPruneStage final : public Stage {
 public:
  explicit SoftPruneStage(const Config& config)
      : pruner_(config, "l2"),
        hold_(config.get_bool("hold", false)),
        train_(read_train_options(config, TrainOptions{}.epochs)) {}

  void check(const layers::Network& network, const datasets::Split& data) const override {
    const ChannelSelection selection = pruner_.selection(network, Device::cpu);
    const ChannelGraph graph(network);
    for (const ChannelGroup& group : graph.groups())
      espalier::check(
          !selection.takes_from(group) || !group.producers.empty(),
          "[soft_prune] the channels of '{}' are chosen from others' and have no filters to set to "
          "zero; expected it to be protected",
          group.name);
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
    const Masks held_before = context.model.masks;
    train(context, train_, {.before_epoch = [&](int64_t epoch) {
            Model& model = context.model;
            if (hold_) model.masks = held_before;
            for (const auto& [name, mask] : filter_masks(model.network, graph, chosen(epoch).removal)) {
              espalier::check(!model.codebooks.contains(name),
                              "[soft_prune] '{}' is made of its codebook's centroids, which undo what is set "
                              "to zero; expected channels to be pruned before weights are shared",
                              name);
              Tensor weight = model.network.parameter(name).variable.value();
              weight.backend().apply_mask(weight, mask);
              if (hold_) hold(model, name, mask);
            }
            return ModelChange{.constraints = hold_};
          }});
    const Removal removal = announced(context, chosen(train_.epochs));
    context.model.masks = held_before;
    pruner_.prune(context, removal, before);
    context.metrics["pruned"] = pruned_channels(before, context.model.network);
  }

 private:
  // On top of a mask that the weight has already.
  static void hold(Model& model, const std::string& name, const Tensor& mask) {
    const auto [held, is_new] = model.masks.try_emplace(name, mask);
    if (is_new) return;
    auto keep = held->second.to_vector<uint8_t>();
    const auto filters = mask.to_vector<uint8_t>();
    std::ranges::transform(keep, filters, keep.begin(), [](uint8_t a, uint8_t b) { return std::min(a, b); });
    held->second = Tensor::from(keep, mask.shape(), mask.device());
  }

  ChannelPruner pruner_;
  bool hold_;
  TrainOptions train_;
};

}  // namespace

const StageRow kSoftPruneStage = {
    "soft_prune",
    "set the lowest filters to zero before every epoch and train them all (with hold = true all others), "
    "then take the last choice out: hold, and the keys of prune_channels but rounds",
    make_stage<SoftPruneStage>};

}  // namespace espalier::pruning
