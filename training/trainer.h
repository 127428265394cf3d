#pragma once

#include <functional>

#include "core/config.h"
#include "core/optim/optimizer.h"
#include "core/optim/schedule.h"
#include "training/stage.h"

namespace espalier {

struct TrainOptions {
  int64_t epochs = 10;
  int64_t batch_size = 64;
  double label_smoothing = 0;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  double checkpoint_seconds = 30;  // between checkpoints inside an epoch; 0: after every step
};

// Reads epochs, batch_size, label_smoothing, checkpoint_seconds, optimizer (kind, momentum, nesterov, beta1,
// beta2, epsilon, weight_decay, decay_biases_and_norms), learning_rate, schedule (kind and its numbers) of a
// stage's table.
TrainOptions read_train_options(const Config& config, int64_t default_epochs);

// Called before each epoch (from 0); may change the masks and codes of context.model, returning true when it
// did.
using BeforeEpoch = std::function<bool(int64_t epoch)>;

// The one training loop: minimises the mean cross-entropy on data.train with masks and shared weights held.
// Where a weight has a codebook its centroids are trained instead, each by the summed gradient of its weights
// (Han et al., ICLR 2016, section 3.3). Writes metrics.jsonl (a line per epoch) and checkpoint.safetensors
// into the stage's folder and continues from the latter. Throws Error when the loss stops being finite
// (naming epoch and batch), Interrupted on request, after saving.
void train(StageContext& context, const TrainOptions& options, const BeforeEpoch& before_epoch = {});

}  // namespace espalier
