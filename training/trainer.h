#pragma once

#include <functional>

#include "core/config.h"
#include "core/optim/optimizer.h"
#include "core/optim/schedule.h"
#include "training/objective.h"
#include "training/stage.h"

namespace espalier {

struct TrainOptions {
  int64_t epochs = 10;
  int64_t batch_size = 64;
  double mixup = 0;        // > 0: alpha of mixup (Zhang et al., ICLR 2018)
  int64_t accumulate = 1;  // batches whose gradients make up a step
  ObjectiveOptions objective;
  OptimizerOptions optimizer;
  std::map<std::string, double> weight_decay_layers;  // by layer, instead of optimizer.weight_decay
  ScheduleOptions schedule;
  double ema_decay = 0;            // > 0: train on, but end with, and validate, an average of the weights
  bool keep_best = false;          // end with the epoch that was best on validation instead of the last
  double checkpoint_seconds = 30;  // between checkpoints inside an epoch; 0: after every step
};

// Reads epochs, batch_size, mixup, accumulate, label_smoothing, distillation (teacher, temperature, weight),
// ema_decay, keep, checkpoint_seconds, optimizer (kind, momentum, nesterov, beta1, beta2, epsilon,
// weight_decay, weight_decay_layers, decay_biases_and_norms, clip_norm), learning_rate, schedule (kind and
// its numbers) of a stage's table.
TrainOptions read_train_options(const Config& config, int64_t default_epochs);
// Throws Error when the options name layers that the network does not have, or ask for validation images that
// the data do not hold out.
void check_layers_and_data(const TrainOptions& options, const layers::Network& network,
                           const datasets::Split& data);
// For a stage's check(): that, and a teacher that cannot be read or does not fit the network.
void check_train_options(const TrainOptions& options, const layers::Network& network,
                         const datasets::Split& data);

// What a callback did to context.model.
struct ModelChange {
  bool constraints = false;  // masks or codes are others
  // Channels were taken away, masks and codes cut to fit: what averages of the old parameters and buffers, by
  // name, are for the new ones, and what Optimizer::state() is.
  std::function<std::map<std::string, Tensor>(const std::map<std::string, Tensor>&)> follow_averages,
      restrict_optimizer_state;
};

// What a stage does in the course of a training. After a resume they are called as if it had never stopped.
struct TrainingCallbacks {
  std::function<ModelChange(int64_t epoch)> before_epoch;  // from 0
  // Gradients of the step's mean loss, multiplied by `factor`, stand in the parameters: others may be added.
  std::function<void(double factor)> before_update;
  std::function<ModelChange(int64_t steps)> after_step;  // how many were taken in all
};

// The one training loop: minimises the mean cross-entropy on data.train with masks and shared weights held.
// Where a weight has a codebook its centroids are trained instead, each by the summed gradient of its weights
// (Han et al., ICLR 2016, section 3.3). Writes metrics.jsonl (a line per epoch) and checkpoint.safetensors
// into the stage's folder and continues from the latter; with validation images best.safetensors too, the
// network of the epoch that was best on them since the model last changed. Where the device multiplies in
// float16 the loss is scaled (training/loss_scale.h). Throws Error when the loss stops being finite (naming
// epoch and batch), Interrupted on request, after saving.
void train(StageContext& context, const TrainOptions& options, const TrainingCallbacks& callbacks = {});

}  // namespace espalier
