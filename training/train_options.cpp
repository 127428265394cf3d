#include "training/trainer.h"

namespace espalier {
namespace {

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
  options.weight_decay = config.get_number("weight_decay", fallback.weight_decay, 0, 1);
  options.decay_biases_and_norms = config.get_bool("decay_biases_and_norms", fallback.decay_biases_and_norms);
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
  options.label_smoothing = config.get_number("label_smoothing", fallback.label_smoothing, 0, 0.999);
  options.checkpoint_seconds = config.get_number("checkpoint_seconds", fallback.checkpoint_seconds, 0, 1e9);
  options.optimizer = read_optimizer(config.table("optimizer", false));
  options.schedule = read_schedule(config.table("schedule", false));
  options.schedule.learning_rate =
      config.get_number("learning_rate", fallback.schedule.learning_rate, 0, 1e6);
  return options;
}

}  // namespace espalier
