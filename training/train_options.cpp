#include "training/layer_values.h"
#include "training/trainer.h"

namespace espalier {
namespace {

std::map<std::string, double> read_layers(const Config& config) {
  std::map<std::string, double> result;
  for (const std::string& layer : config.keys()) result[layer] = config.get_number(layer, {}, 0, 1);
  return result;
}

OptimizerOptions read_optimizer(const Config& config) {
  const OptimizerOptions fallback;
  OptimizerOptions options;
  options.kind = config.get_choice("kind", optimizer_kinds(), fallback.kind);
  if (options.kind == "sgd") {
    options.momentum = config.get_number("momentum", fallback.momentum, 0, 0.9999);
    options.nesterov = config.get_bool("nesterov", fallback.nesterov);
  } else {
    options.beta1 = config.get_number("beta1", fallback.beta1, 0, 0.9999);
    options.beta2 = config.get_number("beta2", fallback.beta2, 0, 0.999999);
    options.epsilon = config.get_number("epsilon", fallback.epsilon, 1e-16, 1);
  }
  options.clip_norm = config.get_number("clip_norm", fallback.clip_norm, 0, 1e9);
  options.weight_decay = config.get_number("weight_decay", fallback.weight_decay, 0, 1);
  options.decay_biases_and_norms = config.get_bool("decay_biases_and_norms", fallback.decay_biases_and_norms);
  config.finish();
  return options;
}

DistillationOptions read_distillation(const Config& config) {
  DistillationOptions options;
  if (config.keys().empty()) return options;
  options.teacher = config.get_string("teacher");
  options.temperature = config.get_number("temperature", options.temperature, 1e-3, 1e3);
  options.weight = config.get_number("weight", options.weight, 0, 1);
  config.finish();
  return options;
}

ScheduleOptions read_schedule(const Config& config) {
  const ScheduleOptions fallback;
  ScheduleOptions options;
  options.kind = config.get_choice("kind", schedule_kinds(), fallback.kind);
  if (options.kind == "step" || options.kind == "multi_step")
    options.gamma = config.get_number("gamma", fallback.gamma, 0, 1);
  if (options.kind == "step")
    options.step_epochs = config.get_number("step_epochs", fallback.step_epochs, 1e-3, 1e6);
  if (options.kind == "multi_step") options.milestones = config.get_numbers("milestones");
  if (options.kind == "cosine" || options.kind == "one_cycle")
    options.final_factor = config.get_number("final_factor", fallback.final_factor, 0, 1);
  if (options.kind == "one_cycle") {
    options.initial_factor = config.get_number("initial_factor", fallback.initial_factor, 0, 1);
    options.rise = config.get_number("rise", fallback.rise, 0, 0.99);
  }
  options.warmup_epochs = config.get_number("warmup_epochs", fallback.warmup_epochs, 0, 1e6);
  config.finish();
  return options;
}

}  // namespace

TrainOptions read_train_options(const Config& config, int64_t default_epochs) {
  const TrainOptions fallback;
  TrainOptions options;
  options.epochs = config.get_integer("epochs", default_epochs, 0, 1'000'000);
  options.batch_size = config.get_integer("batch_size", fallback.batch_size, 1, 1 << 20);
  options.mixup = config.get_number("mixup", fallback.mixup, 0, 1e3);
  options.accumulate = config.get_integer("accumulate", fallback.accumulate, 1, 1 << 20);
  options.objective.label_smoothing =
      config.get_number("label_smoothing", fallback.objective.label_smoothing, 0, 0.999);
  options.objective.distillation = read_distillation(config.table("distillation", false));
  options.ema_decay = config.get_number("ema_decay", fallback.ema_decay, 0, 0.999999);
  options.keep_best = config.get_choice("keep", {"last", "best"}, "last") == "best";
  options.checkpoint_seconds = config.get_number("checkpoint_seconds", fallback.checkpoint_seconds, 0, 1e9);
  const Config optimizer = config.table("optimizer", false);
  options.weight_decay_layers = read_layers(optimizer.table("weight_decay_layers", false));
  options.optimizer = read_optimizer(optimizer);
  options.schedule = read_schedule(config.table("schedule", false));
  options.schedule.learning_rate =
      config.get_number("learning_rate", fallback.schedule.learning_rate, 0, 1e6);
  return options;
}

void check_layers_and_data(const TrainOptions& options, const layers::Network& network,
                           const datasets::Split& data) {
  static_cast<void>(weight_values(network, options.weight_decay_layers, 0.0, "train"));
  check(!options.keep_best || data.validation != nullptr,
        "[train] keep = \"best\" without validation images; expected [data] validation > 0");
}

void check_train_options(const TrainOptions& options, const layers::Network& network,
                         const datasets::Split& data) {
  check_layers_and_data(options, network, data);
  static_cast<void>(Objective(options.objective, network, Device::cpu));
}

}  // namespace espalier
