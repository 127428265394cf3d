#pragma once

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace espalier::apps {

struct RunOptions {
  std::filesystem::path recipe;
  std::filesystem::path out;
  std::optional<uint64_t> seed;          // instead of the recipe's
  std::vector<std::string> assignments;  // "stage.3.epochs=5"
  std::filesystem::path data_dir;
  Device device = Device::cpu;
  bool resume = false;
  bool replay_steps = true;  // see StageContext
};

// Runs a recipe's stages into `out` and returns what it wrote to summary.json. A finished stage is skipped
// and an unfinished one continued with `resume`; without it a folder that holds a run is an Error. Throws
// Interrupted, after saving, once `interrupted` is set.
nlohmann::json run(const RunOptions& options, const std::atomic<bool>& interrupted);

}  // namespace espalier::apps
