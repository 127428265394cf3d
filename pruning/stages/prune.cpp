#include <algorithm>

#include "core/error.h"
#include "pruning/mask.h"
#include "pruning/stages.h"
#include "training/trainer.h"

namespace espalier::pruning {
namespace {

std::vector<std::string> criterion_names() {
  std::vector<std::string> names;
  for (const CriterionRow& row : criteria()) names.emplace_back(row.name);
  return names;
}

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
      : criterion_(config.get_choice("criterion", criterion_names(), "magnitude")),
        scope_(config.get_choice("scope", {"layer", "global", "quality"}, "layer")),
        schedule_(config.get_choice("density_schedule", density_schedules(), "one_shot")),
        rounds_(config.get_integer("rounds", 1, 1, 10'000)),
        rounds_end_(config.get_number("rounds_end", 1.0, 0, 1)),
        train_(read_train_options(config, 0)) {
    if (scope_ == "quality") {
      quality_ = config.get_number("quality", {}, 0, 100);
    } else {
      density_ = config.get_number("density", scope_ == "global" ? std::optional<double>() : 1.0, 0, 1);
    }
    const Config layers = config.table("layers", false);
    check(scope_ == "layer" || layers.keys().empty(), "{}: densities by layer go with scope \"layer\"", config.where("layers"));
    for (const std::string& layer : layers.keys()) layer_density_[layer] = layers.get_number(layer, {}, 0, 1);
    check(rounds_ == 1 || train_.epochs >= rounds_, "{}: {} rounds need at least as many epochs; there are {}",
          config.where("rounds"), rounds_, train_.epochs);
    check(scope_ == "quality" || rounds_ == 1 || schedule_ != "one_shot",
          "{}: {} rounds of a one_shot schedule; expected density_schedule = \"linear\" or \"cubic\"", config.where("rounds"),
          rounds_);
  }

  void run(StageContext& context) override {
    const auto targets = find_targets(context.model.network);
    const auto criterion = make_criterion(criterion_, context.stage_seed());
    // Round r of n begins at epoch floor((r − 1) · end · epochs / n), so that the last epochs train the final mask.
    const auto prune_before = [&](int64_t epoch) {
      const double span = rounds_end_ * static_cast<double>(std::max<int64_t>(train_.epochs, 1)) / static_cast<double>(rounds_);
      for (int64_t round = 1; round <= rounds_; ++round) {
        if (static_cast<int64_t>(static_cast<double>(round - 1) * span) != epoch) continue;
        prune(context, targets, *criterion, round);
        return true;
      }
      return false;
    };
    if (train_.epochs == 0) {
      prune(context, targets, *criterion, 1);
      for (auto& [name, mask] : context.model.masks) {
        Tensor& weight = context.model.network.parameter(name).variable.value();
        weight.backend().apply_mask(weight, mask);
      }
    } else {
      train(context, train_, prune_before);
    }
    for (const Target& target : targets) {
      const std::vector<uint8_t> keep = context.model.masks.at(target.weight->name).to_vector<uint8_t>();
      context.metrics["density"][target.weight->name] =
          static_cast<double>(std::ranges::count(keep, 1)) / static_cast<double>(keep.size());
    }
  }

 private:
  // The weights of convolution and linear layers, with the density each is to have.
  std::vector<Target> find_targets(layers::Network& network) const {
    std::vector<Target> targets;
    std::map<std::string, double> left = layer_density_;
    for (const auto& node : network.nodes()) {
      for (const Parameter& parameter : node.layer->parameters()) {
        if (parameter.kind != ParameterKind::weight) continue;
        double density = density_;
        if (const auto own = left.find(node.layer->name()); own != left.end()) {
          density = own->second;
          left.erase(own);
        }
        targets.push_back({&parameter, density});
      }
    }
    check(left.empty(), "[prune] network '{}' has no weights in a layer named '{}'", network.name(),
          left.empty() ? "" : left.begin()->first);
    return targets;
  }

  void prune(StageContext& context, const std::vector<Target>& targets, const Criterion& criterion, int64_t round) const {
    Masks& masks = context.model.masks;
    std::vector<const Parameter*> weights;
    for (const Target& target : targets) weights.push_back(target.weight);
    if (scope_ == "quality") {
      masks = prune_by_quality(weights, quality_, masks);
    } else if (scope_ == "global") {
      masks = prune_globally(weights, density_at(schedule_, 1.0, density_, round, rounds_), criterion, masks);
    } else {
      std::vector<Target> now = targets;
      for (Target& target : now) target.density = density_at(schedule_, 1.0, target.density, round, rounds_);
      masks = prune_layers(now, criterion, masks);
    }
    for (auto& [name, codebook] : context.model.codebooks)
      if (const auto mask = masks.find(name); mask != masks.end()) drop_pruned(codebook, mask->second);
    int64_t kept = 0, total = 0;
    for (const Parameter* weight : weights) {
      const std::vector<uint8_t> keep = masks.at(weight->name).to_vector<uint8_t>();
      kept += std::ranges::count(keep, 1);
      total += weight->shape.numel();
    }
    context.reporter.line(fmt::format("round {}/{}: {} of {} weights kept ({:.2f} %)", round, rounds_, kept, total,
                                      100.0 * static_cast<double>(kept) / static_cast<double>(total)));
  }

  std::string criterion_, scope_, schedule_;
  int64_t rounds_;
  double rounds_end_;
  TrainOptions train_;
  double density_ = 1.0, quality_ = 1.0;
  std::map<std::string, double> layer_density_;
};

}  // namespace

std::unique_ptr<Stage> make_prune_stage(const Config& config) { return std::make_unique<PruneStage>(config); }

}  // namespace espalier::pruning
