#include <algorithm>

#include "core/named_rows.h"
#include "pruning/mask.h"
#include "pruning/rounds.h"
#include "pruning/stages.h"
#include "training/layer_values.h"
#include "training/trainer.h"

namespace espalier::pruning {
namespace {

// A pruned weight has no shared value: its code is -1.
void drop_pruned(Codebook& codebook, const Tensor& mask) {
  const std::vector<uint8_t> keep = mask.to_vector<uint8_t>();
  std::vector<int32_t> codes = codebook.codes.to_vector<int32_t>();
  for (size_t i = 0; i < codes.size(); ++i)
    if (keep[i] == 0) codes[i] = -1;
  codebook.codes = Tensor::from(codes, mask.shape(), mask.device());
}

class PruneStage final : public Stage {
 public:
  explicit PruneStage(const Config& config)
      : scope_(config.get_choice("scope", {"layer", "global", "quality"}, "layer")),
        rounds_(config.get_integer("rounds", 1, 1, 10'000)),
        rounds_end_(config.get_number("rounds_end", 1.0, 0, 1)),
        train_(read_train_options(config, 0)) {
    if (scope_ == "quality") {
      quality_ = config.get_number("quality", {}, 0, 100);
    } else {
      criterion_ = config.get_choice("criterion", names_of(criteria()), criterion_);
      schedule_ = config.get_choice("density_schedule", density_schedules(), schedule_);
      if (scope_ == "layer") {
        const Config layers = config.table("layers", false);
        for (const std::string& layer : layers.keys())
          layer_density_[layer] = layers.get_number(layer, {}, 0, 1);
      }
      density_ = config.get_number("density", layer_density_.empty() ? std::optional<double>() : 1.0, 0, 1);
      espalier::check(
          rounds_ == 1 || schedule_ != "one_shot",
          "{}: {} rounds of a one_shot schedule; expected density_schedule = \"linear\" or \"cubic\"",
          config.where("rounds"), rounds_);
    }
    espalier::check(rounds_ == 1 || train_.epochs > 0,
                    "{}: {} rounds without epochs between them; expected epochs >= 1", config.where("rounds"),
                    rounds_);
  }

  void check(const layers::Network& network, const datasets::Split& data) const override {
    static_cast<void>(weight_values(network, layer_density_, density_, "prune"));
    check_train_options(train_, network, data);
  }

  void run(StageContext& context) override {
    const auto targets = weight_values(context.model.network, layer_density_, density_, "prune");
    const auto criterion = make_criterion(criterion_, context.stage_seed());
    const Masks before = context.model.masks;  // a schedule sets out from the densities that the stage meets
    const auto prune_before = [&](int64_t epoch) {
      const int64_t round = round_due(epoch, train_.epochs, rounds_, rounds_end_);
      if (round > 0) prune(context, targets, before, *criterion, round);
      return ModelChange{.constraints = round > 0};
    };
    if (train_.epochs == 0) {
      prune(context, targets, before, *criterion, 1);
      for (auto& [name, mask] : context.model.masks) {
        Tensor& weight = context.model.network.parameter(name).variable.value();
        weight.backend().apply_mask(weight, mask);
      }
    } else {
      train(context, train_, {.before_epoch = prune_before});
    }
    for (const auto& [weight, density] : targets)
      context.metrics["density"][weight->name] = density_of(context.model.masks, {weight});
  }

 private:
  void prune(StageContext& context, const std::vector<WeightValue<double>>& targets, const Masks& before,
             const Criterion& criterion, int64_t round) const {
    Masks& masks = context.model.masks;
    std::vector<const Parameter*> weights;
    for (const auto& target : targets) weights.push_back(target.weight);
    if (scope_ == "quality") {
      masks = prune_by_quality(weights, quality_, masks);
    } else if (scope_ == "global") {
      masks = prune_globally(weights,
                             density_at(schedule_, density_of(before, weights), density_, round, rounds_),
                             criterion, masks);
    } else {
      std::vector<WeightValue<double>> now = targets;
      for (auto& [weight, density] : now)
        density = density_at(schedule_, density_of(before, {weight}), density, round, rounds_);
      masks = prune_layers(now, criterion, masks);
    }
    for (auto& [name, codebook] : context.model.codebooks)
      if (const auto mask = masks.find(name); mask != masks.end()) drop_pruned(codebook, mask->second);
    context.reporter.line(fmt::format("round {}/{}: {:.2f} % of the weights kept", round, rounds_,
                                      100 * density_of(masks, weights)));
  }

  std::string scope_, criterion_ = "magnitude", schedule_ = "one_shot";
  int64_t rounds_;
  double rounds_end_;
  TrainOptions train_;
  double density_ = 1.0, quality_ = 1.0;
  std::map<std::string, double> layer_density_;
};

}  // namespace

const StageRow kPruneStage = {
    "prune",
    "zero the lowest weights and retrain the rest: criterion, scope (layer, global, quality), density, "
    "layers {name = density}, quality, density_schedule (one_shot, linear, cubic), rounds, rounds_end, and "
    "the keys of train",
    make_stage<PruneStage>};

}  // namespace espalier::pruning
