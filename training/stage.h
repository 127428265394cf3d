#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/config.h"
#include "datasets/dataset.h"
#include "training/model.h"

namespace espalier {

// Thrown where work was stopped by request after its state had been saved.
class Interrupted : public Error {
 public:
  using Error::Error;
};

// How far a stage is, for whoever watches.
struct Progress {
  int64_t epoch = 0, epochs = 0;   // epoch counts from 1
  int64_t batch = 0, batches = 0;  // done in this epoch
  double loss = 0, accuracy = 0;   // means over this epoch so far
  double images_per_second = 0;
  double seconds_left = 0;
};

// Shows what happens; the command's console implements it.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void line(const std::string& text) = 0;  // something worth keeping
  // Whether progress() would show anything now: to learn what it shows, a stage waits for the device.
  virtual bool wants_progress() { return true; }
  virtual void progress(const Progress& progress) = 0;
};

struct StageContext {
  Model& model;
  const datasets::Split& data;
  uint64_t seed = 1;             // the recipe's seed; a stage derives its streams from it and `number`
  size_t number = 1;             // the stage's place in the recipe
  std::filesystem::path folder;  // the stage's own, existing
  Reporter& reporter;
  const std::atomic<bool>& interrupted;               // set: save and throw Interrupted
  bool replay_steps = true;                           // where the device can: see PassRecorder
  nlohmann::json metrics = nlohmann::json::object();  // what the stage adds to its row of the report

  uint64_t stage_seed() const;
};

// A step of a recipe. Its options were read, and their values checked, when it was made. run() changes the
// model and leaves its files in the stage's folder; a folder with a checkpoint in it is continued to the same
// bits as if it had never been left.
class Stage {
 public:
  virtual ~Stage() = default;
  // Throws Error when the options do not fit the network that the recipe begins with, or its data. Called for
  // every stage before the first runs.
  virtual void check(const layers::Network& /*network*/, const datasets::Split& /*data*/) const {}
  virtual void run(StageContext& context) = 0;
};

struct StageRow {
  std::string_view name;
  std::string_view description;  // what it does and its keys, for `espalier list stages`
  std::unique_ptr<Stage> (*make)(const Config& config);
};
// For a row: a stage that reads its options from its table when it is made.
template <typename Made>
std::unique_ptr<Stage> make_stage(const Config& config) {
  return std::make_unique<Made>(config);
}

extern const StageRow kTrainStage;
extern const StageRow kEvaluateStage;

}  // namespace espalier
