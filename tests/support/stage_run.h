#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "core/io/file.h"
#include "tests/support/folder.h"
#include "tests/support/tensors.h"
#include "training/paths.h"
#include "training/stage.h"

namespace espalier::test {

// The first `train` training and `test` test images of the synthetic digits, drawn once per process.
inline datasets::Split synthetic(int64_t train, int64_t test) {
  static const datasets::Split whole = datasets::load("synthetic", {});
  const auto first = [](const std::shared_ptr<const datasets::Dataset>& data, int64_t count) {
    std::vector<int64_t> indices(static_cast<size_t>(count));
    for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i);
    return datasets::subset(data, std::move(indices));
  };
  return {.train = first(whole.train, train), .validation = nullptr, .test = first(whole.test, test)};
}

// A small convolutional network with everything that has state: shared weights train in it, masks hold,
// statistics move, dropout draws.
inline Model small_model(uint64_t seed = 1, double dropout = 0.2, Device device = Device::cpu) {
  layers::Network network("small", {28, 28, 1});
  network.add("conv2d", "conv", {{"channels", 4}, {"kernel", 5}, {"stride", 3}});
  network.add("batch_norm", "norm");
  network.add("relu", "relu");
  network.add("flatten", "flatten");
  network.add("linear", "fc1", {{"features", 24}});
  network.add("tanh", "tanh");
  network.add("dropout", "dropout", {{"probability", dropout}});
  network.add("linear", "fc2", {{"features", 10}});
  network.initialise(layers::Initialiser::kaiming_normal, seed, device);
  return {std::move(network), {}, {}};
}

// What a stage runs in: a model, data, a folder, and a reporter that keeps the lines and can ask for a stop.
class StageRun final : public Reporter {
 public:
  StageRun(Model start, datasets::Split split, std::filesystem::path where)
      : model(std::move(start)), data(std::move(split)), folder(std::move(where)) {
    std::filesystem::create_directories(folder);
  }

  void line(const std::string& text) override {
    lines.push_back(text);
    if (on_line) on_line(text);
  }
  bool wants_progress() override { return !quiet; }
  void progress(const Progress& progress) override {
    ++batches;
    if (batches == stop_after) interrupted = true;
    last = progress;
  }

  void operator()(const std::function<void(StageContext&)>& stage) {
    StageContext context{.model = model,
                         .data = data,
                         .seed = 7,
                         .number = 2,
                         .folder = folder,
                         .reporter = *this,
                         .interrupted = interrupted};
    stage(context);
    metrics = context.metrics;
  }
  std::string file(const std::filesystem::path& path) const { return read_text(path); }
  std::vector<nlohmann::json> metric_lines() const {  // one per epoch
    std::vector<nlohmann::json> result;
    std::istringstream text(file(paths::metrics(folder)));
    for (std::string line; std::getline(text, line);) result.push_back(nlohmann::json::parse(line));
    return result;
  }

  Model model;
  datasets::Split data;
  std::filesystem::path folder;
  std::atomic<bool> interrupted = false;
  std::function<void(const std::string&)> on_line;
  bool quiet = false;       // wants no progress
  int64_t stop_after = -1;  // batches
  int64_t batches = 0;
  Progress last;
  std::vector<std::string> lines;
  nlohmann::json metrics;
};

// Runs `stage` on fresh models of `make`, stopped again and again after `stride` batches and continued in the
// same folder, to its end. Returns the last run.
inline std::unique_ptr<StageRun> run_in_pieces(const std::function<Model()>& make,
                                               const datasets::Split& data,
                                               const std::filesystem::path& folder, int64_t stride,
                                               const std::function<void(StageContext&)>& stage, int& pieces) {
  for (pieces = 1;; ++pieces) {
    auto run = std::make_unique<StageRun>(make(), data, folder);
    run->stop_after = stride;
    try {
      (*run)(stage);
      return run;
    } catch (const Interrupted&) {
    }
  }
}

}  // namespace espalier::test
