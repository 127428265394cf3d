#include "core/error.h"
#include "pruning/rounds.h"
#include "pruning/stages.h"
#include "pruning/stages/channel_pruner.h"

namespace espalier::pruning {
namespace {

class PruneChannelsStage final : public Stage {
 public:
  explicit PruneChannelsStage(const Config& config)
      : pruner_(config, "l1"),
        rounds_(config.get_integer("rounds", 1, 1, 10'000)),
        rounds_end_(config.get_number("rounds_end", 1.0, 0, 1)),
        train_(read_train_options(config, 0)) {
    espalier::check(rounds_ == 1 || train_.epochs > 0,
                    "{}: {} rounds without epochs between them; expected epochs >= 1", config.where("rounds"),
                    rounds_);
    espalier::check(rounds_ == 1 || !config.has("norm_share"),
                    "{}: a share of the channels that a round finds would go by norm in each of {} rounds; "
                    "expected rounds = 1 or no 'norm_share'",
                    config.where("norm_share"), rounds_);
  }

  void check(const layers::Network& network, const datasets::Split& data) const override {
    pruner_.check(network);
    check_train_options(train_, network, data);
  }

  void run(StageContext& context) override {
    const layers::Network before = without_channels(context.model.network, {});
    const ChannelSelection selection = pruner_.selection(before, context.model.device());
    const auto prune = [&](int64_t round) {
      const layers::Network& network = context.model.network;
      const ChannelGraph graph(network);
      const ChannelScores scores = pruner_.scores(context, graph, static_cast<uint64_t>(round));
      const double progress = static_cast<double>(round) / static_cast<double>(rounds_);
      return pruner_.prune(context, announced(context, selection.choose(graph, network, scores, progress)),
                           before);
    };
    if (train_.epochs == 0)
      prune(1);
    else
      train(context, train_, {.before_epoch = [&](int64_t epoch) {
              const int64_t round = round_due(epoch, train_.epochs, rounds_, rounds_end_);
              return round > 0 ? prune(round) : ModelChange{};
            }});
    context.metrics["pruned"] = pruned_channels(before, context.model.network);
  }

 private:
  ChannelPruner pruner_;
  int64_t rounds_;
  double rounds_end_;
  TrainOptions train_;
};

}  // namespace

const StageRow kPruneChannelsStage = {
    "prune_channels",
    "take channels out of the network and train what is left: criterion, reduce (sum, mean, max, producer: "
    "how the scores of coupled layers become one), norm_share, flops_weight, samples, scope (group, stage, "
    "global), target (channels, flops, parameters, latency), reduction, layers {name = share}, protect, "
    "residual, multiple, shifts (zero, keep), rounds, rounds_end, and the keys of train",
    make_stage<PruneChannelsStage>};

}  // namespace espalier::pruning
