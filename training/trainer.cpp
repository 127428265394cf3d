#include "training/trainer.h"

#include <chrono>
#include <cmath>
#include <utility>

#include "core/io/file.h"
#include "core/io/json.h"
#include "core/io/safetensors.h"
#include "core/ops.h"
#include "datasets/loader.h"
#include "training/evaluate.h"
#include "training/paths.h"
#include "training/shared_weights.h"

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
  bool prepared = false;  // BeforeEpoch was called for this epoch
  int64_t batch = 0;      // batches of this epoch that are done
  int64_t images = 0;     // of this epoch, likewise
  int64_t correct = 0;
  double loss = 0;               // summed over those images
  json history = json::array();  // a line of metrics per finished epoch
};

constexpr std::string_view kNetwork = "network/", kOptimizer = "optimizer/";

std::map<std::string, Tensor> with_prefix(const std::map<std::string, Tensor>& tensors,
                                          std::string_view prefix) {
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) result[name.substr(prefix.size())] = tensor;
  return result;
}

class Training {
 public:
  Training(StageContext& context, const TrainOptions& options, const BeforeEpoch& before_epoch)
      : context_(context),
        options_(options),
        before_epoch_(before_epoch),
        device_(context.model.device()),
        loader_(context.data.train, {.batch_size = options.batch_size,
                                     .shuffle = true,
                                     .seed = context.stage_seed(),
                                     .device = device_}) {
    check(context.data.train->classes() == context.model.network.classes(),
          "[train] network '{}' tells {} classes apart; the data has {}", context.model.network.name(),
          context.model.network.classes(), context.data.train->classes());
    check(loader_.batches_per_epoch() > 0, "[train] no training images");
    const bool resumed = std::filesystem::exists(paths::checkpoint(context.folder));
    if (resumed) load_constraints();
    shared_.emplace(context.model);
    optimizer_ = make_optimizer(options.optimizer, shared_->parameters());
    optimizer_->set_masks(trained_masks());
    if (resumed)
      optimizer_->load_state(with_prefix(checkpoint_.tensors, kOptimizer),
                             std::stoll(checkpoint_.metadata.at("steps")));
    checkpoint_ = {};
  }

  void run() {
    const auto start = Clock::now();
    const int64_t first = steps_taken();
    for (; position_.epoch < options_.epochs; finish_epoch()) {
      if (!std::exchange(position_.prepared, true) && before_epoch_ && before_epoch_(position_.epoch))
        optimizer_->set_masks(trained_masks());
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
  }

 private:
  // Masks of weights with a codebook are held by their codes.
  std::map<std::string, Tensor> trained_masks() const {
    std::map<std::string, Tensor> masks = context_.model.masks;
    for (const auto& [name, codebook] : context_.model.codebooks) masks.erase(name);
    return masks;
  }

  void step(const datasets::Batch& batch) {
    shared_->bind();
    const auto global_step = static_cast<uint64_t>(optimizer_->steps());
    const Variable logits = context_.model.network.forward(
        Variable(batch.images), {.training = true, .seed = context_.stage_seed(), .step = global_step});
    auto [loss, correct] = ops::cross_entropy(logits, batch.labels, options_.label_smoothing);
    const double value = loss.value().item();
    check(std::isfinite(value),
          "[train] the loss is {} in epoch {}, batch {}; a smaller learning rate may help", value,
          position_.epoch + 1, position_.batch + 1);
    loss.backward();
    optimizer_->step(learning_rate(steps_taken()));
    const int64_t images = batch.labels.numel();
    position_.loss += value * static_cast<double>(images);
    position_.correct += static_cast<int64_t>(correct.item());
    position_.images += images;
    ++position_.batch;
  }

  int64_t steps_taken() const { return position_.epoch * loader_.batches_per_epoch() + position_.batch; }

  double learning_rate(int64_t step) const {
    return learning_rate_at(options_.schedule, step, loader_.batches_per_epoch(),
                            static_cast<double>(options_.epochs));
  }

  void finish_epoch() {
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
      shared_->materialise();
      const Evaluation validation = evaluate(context_.model.network, context_.data.validation, device_);
      line["validation_loss"] = validation.loss;
      line["validation_accuracy"] = validation.accuracy();
      text += fmt::format(", validation {:.2f} %", 100 * validation.accuracy());
    }
    context_.reporter.line(text);
    position_.history.push_back(std::move(line));
    position_ = {.epoch = position_.epoch + 1, .history = std::move(position_.history)};
    std::string lines;
    for (const json& each : position_.history) lines += each.dump() + "\n";
    write_file(paths::metrics(context_.folder), lines);
    save();
  }

  void report(Clock::time_point start, int64_t first) {
    const double elapsed = seconds_since(start);
    const int64_t per_epoch = loader_.batches_per_epoch();
    const int64_t now = steps_taken();
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
    shared_->materialise();
    TensorFile file;
    const auto put = [&](const std::map<std::string, Tensor>& tensors, std::string_view prefix) {
      for (const auto& [name, tensor] : tensors)
        file.tensors[std::string(prefix) + name] = tensor.to(Device::cpu);
    };
    put(context_.model.network.state(), kNetwork);
    put(optimizer_->state(), kOptimizer);
    put(pack_constraints(context_.model), "");
    // Doubles travel as JSON numbers, which nlohmann::json writes so that they read back to the same bits.
    file.metadata["position"] =
        json{{"epoch", position_.epoch},    {"prepared", position_.prepared}, {"batch", position_.batch},
             {"images", position_.images},  {"correct", position_.correct},   {"loss", position_.loss},
             {"history", position_.history}}
            .dump();
    file.metadata["steps"] = std::to_string(optimizer_->steps());
    write_safetensors(paths::checkpoint(context_.folder), file);
    saved_ = Clock::now();
  }

  void load_constraints() {
    const auto path = paths::checkpoint(context_.folder);
    checkpoint_ = read_safetensors(path);
    try {
      const json position = parse_json(checkpoint_.metadata.at("position"));
      position_ = {.epoch = position.at("epoch"),
                   .prepared = position.at("prepared"),
                   .batch = position.at("batch"),
                   .images = position.at("images"),
                   .correct = position.at("correct"),
                   .loss = position.at("loss"),
                   .history = position.at("history")};
      static_cast<void>(std::stoll(checkpoint_.metadata.at("steps")));
    } catch (const std::exception& error) {
      fail("{}: not a training checkpoint: {}", path.string(), error.what());
    }
    context_.model.network.load_state(with_prefix(checkpoint_.tensors, kNetwork), device_, path.string());
    unpack_constraints(checkpoint_.tensors, context_.model, device_, path.string());
    context_.reporter.line(
        fmt::format("continuing in epoch {} after batch {}", position_.epoch + 1, position_.batch));
  }

  StageContext& context_;
  const TrainOptions& options_;
  const BeforeEpoch& before_epoch_;
  Device device_;
  datasets::Loader loader_;
  std::optional<SharedWeights> shared_;
  std::unique_ptr<Optimizer> optimizer_;
  Position position_;
  TensorFile checkpoint_;  // while resuming
  Clock::time_point saved_ = Clock::now();
};

class TrainStage final : public Stage {
 public:
  explicit TrainStage(const Config& config) : options_(read_train_options(config, TrainOptions{}.epochs)) {}
  void run(StageContext& context) override { train(context, options_); }

 private:
  TrainOptions options_;
};

}  // namespace

void train(StageContext& context, const TrainOptions& options, const BeforeEpoch& before_epoch) {
  Training(context, options, before_epoch).run();
}

std::unique_ptr<Stage> make_train_stage(const Config& config) {
  return std::make_unique<TrainStage>(config);
}

}  // namespace espalier
