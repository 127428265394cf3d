#include "apps/stages.h"

#include <algorithm>

#include "compression/stages.h"
#include "core/named_rows.h"
#include "pruning/stages.h"

namespace espalier::apps {

std::span<const StageRow> stages() {
  static constexpr StageRow kStages[] = {
      {"train",
       "minimise the cross-entropy, masks and shared weights held: epochs, batch_size, mixup, accumulate, "
       "learning_rate, label_smoothing, distillation {teacher, temperature, weight}, ema_decay, keep (last, "
       "best), checkpoint_seconds, optimizer {kind, momentum, nesterov, beta1, beta2, epsilon, weight_decay, "
       "weight_decay_layers {name = decay}, decay_biases_and_norms, clip_norm}, schedule {kind, "
       "warmup_epochs, ...}",
       make_train_stage},
      {"prune",
       "zero the lowest weights and retrain the rest: criterion, scope (layer, global, quality), density, "
       "layers {name = density}, quality, density_schedule (one_shot, linear, cubic), rounds, rounds_end, "
       "and the keys of train",
       pruning::make_prune_stage},
      {"prune_channels",
       "take channels out of the network and train what is left: criterion, reduce (sum, mean, max, "
       "producer: how the scores of coupled layers become one), norm_share, flops_weight, samples, scope "
       "(group, stage, global), target (channels, flops, parameters, latency), reduction, layers {name = "
       "share}, protect, residual, multiple, shifts (zero, keep), rounds, rounds_end, and the keys of train",
       pruning::make_prune_channels_stage},
      {"soft_prune",
       "set the lowest filters to zero before every epoch and train them all (with hold = true all others), "
       "then take the last choice out: hold, and the keys of prune_channels but rounds",
       pruning::make_soft_prune_stage},
      {"slim",
       "train with an L1 penalty on the scales of batch norms: penalty, initial_scale, and the keys of train",
       pruning::make_slim_stage},
      {"prune_greedily",
       "take the lowest channels of the whole network out every few steps until the target is met, training "
       "on: every, at_once, and the keys of prune_channels but scope, layers and rounds",
       pruning::make_prune_greedily_stage},
      {"prune_by_lasso",
       "layer by layer choose the inputs that a LASSO leaves, rebuild the layer's output from them by least "
       "squares, then train: images, positions, target (channels, flops, parameters), reduction, layers "
       "{name = share}, protect, multiple, and the keys of train",
       pruning::make_prune_by_lasso_stage},
      {"quantize",
       "share weights by k-means and train the centroids: bits, layers {name = bits}, initialisation "
       "(linear, density, random), and the keys of train",
       compression::make_quantize_stage},
      {"encode",
       "write model.esp with Huffman codes and go on with what it decodes to: index_bits_convolution, "
       "index_bits_linear (0: the smallest)",
       compression::make_encode_stage},
      {"rank_criteria",
       "change nothing; how well criteria rank channels beside the oracle, as Spearman's correlation: "
       "criteria [name, ...] (all that apply), samples",
       pruning::make_rank_criteria_stage},
      {"evaluate", "change nothing; the report evaluates the model after every stage", make_evaluate_stage},
  };
  return kStages;
}

std::vector<RecipeStage> read_stages(const Config& recipe) {
  std::vector<RecipeStage> result;
  for (const Config& table : recipe.tables("stage")) {
    const std::string type = table.get_choice("type", names_of(stages()));
    const auto row = std::ranges::find(stages(), type, &StageRow::name);
    result.push_back({type, row->make(table)});
    table.finish();
  }
  check(!result.empty(), "{}: no [[stage]]; expected at least one", recipe.where());
  return result;
}

}  // namespace espalier::apps
