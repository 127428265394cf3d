#include "core/error.h"
#include "pruning/stages.h"
#include "pruning/stages/channel_pruner.h"

namespace espalier::pruning {
namespace {

class PruneGreedilyStage final : public Stage {
 public:
  explicit PruneGreedilyStage(const Config& config)
      : pruner_(config, "taylor"),
        every_(config.get_integer("every", 30, 1)),
        at_once_(config.get_integer("at_once", 1, 1)),
        train_(read_train_options(config, TrainOptions{}.epochs)) {
    for (const char* key : {"scope", "layers", "multiple", "norm_share"})
      espalier::check(!config.has(key),
                      "{}: channels of the whole network compete here, one by one; expected no '{}'",
                      config.where(key), key);
  }

  void check(const layers::Network& network, const datasets::Split& data) const override {
    pruner_.check(network);
    check_train_options(train_, network, data);
  }

  void run(StageContext& context) override {
    const layers::Network before = without_channels(context.model.network, {});
    const ChannelSelection selection = pruner_.selection(before, context.model.device());
    bool exhausted = false;
    train(context, train_, {.after_step = [&](int64_t steps) {
            const layers::Network& network = context.model.network;
            if (steps % every_ != 0 || exhausted || selection.reached(network)) return ModelChange{};
            const ChannelGraph graph(network);
            const ChannelScores scores = pruner_.scores(context, graph, static_cast<uint64_t>(steps));
            const Removal lowest = selection.lowest(graph, network, scores, at_once_);
            exhausted = lowest.empty();
            return pruner_.prune(context, lowest, before);
          }});
    const bool reached = selection.reached(context.model.network);
    if (!reached && exhausted)
      context.reporter.line("no channel is left that may go, and the target is not met");
    else if (!reached)
      context.reporter.line(
          "the training ended before the target was met: more epochs, a smaller every or a larger at_once "
          "would bring it nearer");
    context.metrics["pruned"] = pruned_channels(before, context.model.network);
    context.metrics["pruned"]["target_met"] = reached;
  }

 private:
  ChannelPruner pruner_;
  int64_t every_, at_once_;
  TrainOptions train_;
};

}  // namespace

const StageRow kPruneGreedilyStage = {
    "prune_greedily",
    "take the lowest channels of the whole network out every few steps until the target is met, training on: "
    "every, at_once, and the keys of prune_channels but norm_share, scope, layers, multiple and rounds",
    make_stage<PruneGreedilyStage>};

}  // namespace espalier::pruning
