#include "training/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "core/io/file.h"
#include "core/io/json.h"
#include "core/io/safetensors.h"
#include "core/ops.h"
#include "core/profile.h"
#include "datasets/loader.h"
#include "training/checkpoint.h"
#include "training/evaluate.h"
#include "training/layer_values.h"
#include "training/loss_scale.h"
#include "training/pass_recorder.h"
#include "training/paths.h"
#include "training/shared_weights.h"
#include "training/weight_average.h"

namespace espalier {

using nlohmann::json;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Where a training stands between two steps; all of it is in a checkpoint.
struct Position {
  int64_t epoch = 0;
  bool prepared = false;         // before_epoch was called for this epoch
  int64_t batch = 0;             // batches of this epoch that are done
  int64_t images = 0;            // of this epoch, likewise
  int64_t correct = 0;           // as of the last read_totals()
  double loss = 0;               // summed over those images, likewise
  int64_t best_epoch = 0;        // from 1; 0: none yet
  double best_accuracy = 0;      // on validation, after that epoch
  json history = json::array();  // a line of metrics per finished epoch
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Position, epoch, prepared, batch, images, correct, loss, best_epoch,
                                   best_accuracy, history)

class Training {
 public:
  Training(StageContext& context, const TrainOptions& options, const TrainingCallbacks& callbacks)
      : context_(context),
        options_(options),
        callbacks_(callbacks),
        device_(context.model.device()),
        objective_(options.objective, context.model.network, device_),
        loader_(context.data.train, {.batch_size = options.batch_size,
                                     .shuffle = true,
                                     .mixup = options.mixup,
                                     .seed = context.stage_seed(),
                                     .device = device_}) {
    check(context.data.train->classes() == context.model.network.classes(),
          "[train] network '{}' tells {} classes apart; the data has {}", context.model.network.name(),
          context.model.network.classes(), context.data.train->classes());
    check(loader_.batches_per_epoch() > 0, "[train] no training images");
    check_layers_and_data(options, context.model.network, context.data);
    const bool resumed = std::filesystem::exists(paths::checkpoint(context.folder));
    if (resumed) load_checkpoint();
    prepare_optimizer();
    if (resumed)
      optimizer_->load_state(checkpoint::get(checkpoint_, checkpoint::kOptimizer),
                             std::stoll(checkpoint_.metadata.at("steps")));
    totals_ = Tensor::from(std::vector<double>{position_.loss, static_cast<double>(position_.correct), 0, 0},
                           {4}, device_);
    if (backend(device_).precision() != Precision::float16) loss_scale_.reset();
    if (options.ema_decay > 0) {
      average_.emplace(shared_->parameters(), context.model.network, options.ema_decay);
      if (resumed) average_->load_state(checkpoint::get(checkpoint_, checkpoint::kAverage));
    }
    checkpoint_ = {};
  }

  void run() {
    const auto start = Clock::now();
    const int64_t first = position_.epoch * loader_.batches_per_epoch() + position_.batch;
    for (; position_.epoch < options_.epochs; finish_epoch()) {
      if (!std::exchange(position_.prepared, true) && callbacks_.before_epoch) {
        shared_->materialise();
        follow(callbacks_.before_epoch(position_.epoch));
      }
      loader_.start(position_.epoch, position_.batch);
      for (datasets::Batch batch; loader_.next(batch);) {
        if (context_.interrupted) {
          save();
          throw Interrupted(fmt::format("[train] interrupted in epoch {} after batch {}", position_.epoch + 1,
                                        position_.batch));
        }
        step(batch);
        if (seconds_since(saved_) >= options_.checkpoint_seconds) save();
        report(start, first);
      }
    }
    if (average_) average_->swap();
  }

 private:
  // Masks of weights with a codebook are held by their codes.
  std::map<std::string, Tensor> trained_masks() const {
    std::map<std::string, Tensor> masks = context_.model.masks;
    for (const auto& [name, codebook] : context_.model.codebooks) masks.erase(name);
    return masks;
  }

  void prepare_optimizer() {
    shared_.emplace(context_.model);
    optimizer_ = make_optimizer(optimizer_options(), shared_->parameters());
    optimizer_->set_masks(trained_masks());
    if (steps_repeat())
      recorder_.emplace(
          device_, [this](const auto& batch, double factor) { return pass(batch, factor, 0); },
          shared_->parameters());
  }

  // Whether every step asks the device for the same work, where that can be recorded.
  bool steps_repeat() const {
    return context_.replay_steps && backend(device_).can_record() && options_.accumulate == 1 &&
           options_.mixup == 0 && !profile::on() &&
           std::ranges::none_of(context_.model.network.nodes(),
                                [](const auto& node) { return node.layer->is_random(); });
  }

  // Brings what stands beside the model into line with it.
  void follow(const ModelChange& change) {
    if (change.restrict_optimizer_state) {
      const auto state = change.restrict_optimizer_state(optimizer_->state());
      const int64_t steps = optimizer_->steps();
      shared_->release();
      prepare_optimizer();
      optimizer_->load_state(state, steps);
      if (average_) {
        const auto averages = change.follow_averages(average_->state());
        average_.emplace(shared_->parameters(), context_.model.network, options_.ema_decay);
        average_->load_state(averages);
      }
    } else if (change.constraints) {
      optimizer_->set_masks(trained_masks());
      if (average_) average_->apply_masks(trained_masks());
    } else {
      return;
    }
    if (recorder_) recorder_->forget();
    position_.best_epoch = 0;
  }

  OptimizerOptions optimizer_options() const {
    OptimizerOptions options = options_.optimizer;
    for (const auto& [layer, decay] : options_.weight_decay_layers) {
      const std::string weight = layer + ".weight";
      options.weight_decay_of[weight] = options.weight_decay_of[SharedWeights::centroids_of(weight)] = decay;
    }
    return options;
  }

  // A step of the optimizer over `accumulate` batches, or what is left of the epoch.
  void step(datasets::Batch& batch) {
    const profile::Scope scope("training", "step");
    const double rate = learning_rate(steps_taken());
    int64_t batches = 0, images = 0;
    do {
      images += add_gradient(batch, batches);
    } while (++batches < options_.accumulate && loader_.next(batch));
    position_.batch += batches;
    const double factor = loss_factor(images);
    if (loss_scale_ && !loss_scale_->accept(optimizer_->gradient_norm())) {
      optimizer_->clear_gradients();
      return;
    }
    if (callbacks_.before_update) callbacks_.before_update(factor);
    optimizer_->step(rate, 1 / factor);
    if (average_) average_->update(optimizer_->steps());
    if (callbacks_.after_step) {
      shared_->materialise();
      follow(callbacks_.after_step(optimizer_->steps()));
    }
  }

  // What multiplies the mean loss of `images` before its gradient is taken: with accumulation gradients are
  // those of a sum over images.
  double loss_factor(int64_t images) const {
    return (options_.accumulate == 1 ? 1.0 : static_cast<double>(images)) *
           (loss_scale_ ? loss_scale_->value() : 1.0);
  }

  // Adds the gradient of the mean loss times loss_factor(). Returns the number of images.
  int64_t add_gradient(const datasets::Batch& batch, int64_t turn) {
    const int64_t images = batch.labels.numel();
    const double factor = loss_factor(images);
    const auto [loss, correct] = recorder_ ? recorder_->run(batch, factor) : pass(batch, factor, turn);
    totals_.backend().add_to_totals(loss, correct, images, position_.batch + turn + 1, totals_);
    position_.images += images;
    return images;
  }

  PassRecorder::Result pass(const datasets::Batch& batch, double factor, int64_t turn) {
    shared_->bind();
    const auto draw = static_cast<uint64_t>(optimizer_->steps() * options_.accumulate + turn);
    const Variable logits = context_.model.network.forward(
        Variable(batch.images), {.training = true, .seed = context_.stage_seed(), .step = draw});
    auto [loss, correct] = objective_(logits, batch);
    const Tensor value = loss.value();
    if (factor != 1) loss = ops::scale(loss, factor);
    loss.backward();
    return {value, correct};
  }

  // The losses and correct answers of the epoch are summed on the device; only who reads them waits for it.
  void read_totals() {
    const std::vector<double> totals = totals_.to_vector<double>();
    check(totals[2] == 0, "[train] the loss is {} in epoch {}, batch {}; a smaller learning rate may help",
          totals[3], position_.epoch + 1, totals[2]);
    position_.loss = totals[0];
    position_.correct = static_cast<int64_t>(totals[1]);
  }

  int64_t steps_per_epoch() const {
    return (loader_.batches_per_epoch() + options_.accumulate - 1) / options_.accumulate;
  }
  int64_t steps_taken() const {
    return position_.epoch * steps_per_epoch() +
           (position_.batch + options_.accumulate - 1) / options_.accumulate;
  }

  double learning_rate(int64_t step) const {
    return learning_rate_at(options_.schedule, step, steps_per_epoch(), static_cast<double>(options_.epochs));
  }

  void finish_epoch() {
    if (recorder_) recorder_->forget();  // its memory serves what comes between the epochs
    read_totals();
    const double images = static_cast<double>(position_.images);
    json line = {{"stage", context_.number},
                 {"epoch", position_.epoch + 1},
                 {"loss", position_.loss / images},
                 {"accuracy", static_cast<double>(position_.correct) / images},
                 {"learning_rate", learning_rate(steps_taken() - 1)}};
    std::string text =
        fmt::format("epoch {}/{}: loss {:.4f}, accuracy {:.2f} %", position_.epoch + 1, options_.epochs,
                    position_.loss / images, 100.0 * static_cast<double>(position_.correct) / images);
    if (context_.data.validation != nullptr) {
      const Evaluation validation = validate();
      line["validation_loss"] = validation.loss;
      line["validation_accuracy"] = validation.accuracy();
      text += fmt::format(", validation {:.2f} %", 100 * validation.accuracy());
    }
    context_.reporter.line(text);
    position_.history.push_back(std::move(line));
    position_ = {.epoch = position_.epoch + 1,
                 .best_epoch = position_.best_epoch,
                 .best_accuracy = position_.best_accuracy,
                 .history = std::move(position_.history)};
    totals_.fill(0);
    std::string lines;
    for (const json& each : position_.history) lines += each.dump() + "\n";
    write_file(paths::metrics(context_.folder), lines);
    save();
  }

  // Measures what the training would end with, and keeps it when it is the best so far.
  Evaluation validate() {
    if (average_) average_->swap();
    shared_->materialise();
    const Evaluation result = evaluate(context_.model.network, context_.data.validation, device_);
    if (position_.best_epoch == 0 || result.accuracy() > position_.best_accuracy) {
      position_.best_epoch = position_.epoch + 1;
      position_.best_accuracy = result.accuracy();
      TensorFile file;
      checkpoint::put_model(file, context_.model);
      write_safetensors(paths::best(context_.folder), file);
    }
    if (average_) average_->swap();
    return result;
  }

  void report(Clock::time_point start, int64_t first) {
    if (!context_.reporter.wants_progress()) return;
    read_totals();
    const double elapsed = seconds_since(start);
    const int64_t per_epoch = loader_.batches_per_epoch();
    const int64_t now = position_.epoch * per_epoch + position_.batch;
    const double rate = static_cast<double>(now - first) / elapsed;
    context_.reporter.progress(
        {.epoch = position_.epoch + 1,
         .epochs = options_.epochs,
         .batch = position_.batch,
         .batches = per_epoch,
         .loss = position_.loss / static_cast<double>(position_.images),
         .accuracy = static_cast<double>(position_.correct) / static_cast<double>(position_.images),
         .images_per_second = rate * static_cast<double>(options_.batch_size),
         .seconds_left = static_cast<double>(options_.epochs * per_epoch - now) / rate});
  }

  void save() {
    const profile::Scope scope("training", "checkpoint");
    read_totals();
    shared_->materialise();
    TensorFile file;
    checkpoint::put_model(file, context_.model);
    checkpoint::put(file, optimizer_->state(), checkpoint::kOptimizer);
    if (average_) checkpoint::put(file, average_->state(), checkpoint::kAverage);
    // Doubles travel as JSON numbers, which nlohmann::json writes so that they read back to the same bits.
    json position = position_;
    if (loss_scale_)
      position["loss_scale"] = {{"value", loss_scale_->value()}, {"steps", loss_scale_->steps()}};
    file.metadata["position"] = position.dump();
    file.metadata["steps"] = std::to_string(optimizer_->steps());
    write_safetensors(paths::checkpoint(context_.folder), file);
    saved_ = Clock::now();
  }

  void load_checkpoint() {
    const auto path = paths::checkpoint(context_.folder);
    checkpoint_ = read_safetensors(path);
    try {
      const json position = parse_json(checkpoint_.metadata.at("position"));
      position_ = position.get<Position>();
      if (const auto scale = position.find("loss_scale"); scale != position.end())
        loss_scale_->restore(scale->at("value"), scale->at("steps"));
      static_cast<void>(std::stoll(checkpoint_.metadata.at("steps")));
    } catch (const std::exception& error) {
      fail("{}: not a training checkpoint: {}", path.string(), error.what());
    }
    checkpoint::get_model(checkpoint_, context_.model, path.string());
    context_.reporter.line(
        fmt::format("continuing in epoch {} after batch {}", position_.epoch + 1, position_.batch));
  }

  StageContext& context_;
  const TrainOptions& options_;
  const TrainingCallbacks& callbacks_;
  Device device_;
  Objective objective_;
  datasets::Loader loader_;
  std::optional<SharedWeights> shared_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<PassRecorder> recorder_;  // none unless steps_repeat()
  std::optional<WeightAverage> average_;
  std::optional<LossScale> loss_scale_{std::in_place};  // none unless products round to float16
  Position position_;
  Tensor totals_;          // see Backend::add_to_totals
  TensorFile checkpoint_;  // while resuming
  Clock::time_point saved_ = Clock::now();
};

class TrainStage final : public Stage {
 public:
  explicit TrainStage(const Config& config) : options_(read_train_options(config, TrainOptions{}.epochs)) {}
  void check(const layers::Network& network, const datasets::Split& data) const override {
    check_train_options(options_, network, data);
  }
  void run(StageContext& context) override { train(context, options_); }

 private:
  TrainOptions options_;
};

}  // namespace

void train(StageContext& context, const TrainOptions& options, const TrainingCallbacks& callbacks) {
  Training(context, options, callbacks).run();
  if (!options.keep_best || options.epochs == 0) return;
  const auto path = paths::best(context.folder);
  checkpoint::get_model(read_safetensors(path), context.model, path.string());
}

const StageRow kTrainStage = {
    "train",
    "minimise the cross-entropy, masks and shared weights held: epochs, batch_size, mixup, accumulate, "
    "learning_rate, label_smoothing, distillation {teacher, temperature, weight}, ema_decay, keep (last, "
    "best), checkpoint_seconds, optimizer {kind, momentum, nesterov, beta1, beta2, epsilon, weight_decay, "
    "weight_decay_layers {name = decay}, decay_biases_and_norms, clip_norm}, schedule {kind, warmup_epochs, "
    "...}",
    make_stage<TrainStage>};

}  // namespace espalier
