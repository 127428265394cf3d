#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>

#include "training/stage.h"

namespace espalier::apps {

// Shows a run: lines go to standard output and, with a time, to the run's log; progress is a bar that redraws
// itself on a terminal and is left out elsewhere, where the line per epoch tells enough.
class Console final : public Reporter {
 public:
  explicit Console(const std::filesystem::path& log);
  ~Console() override;
  void line(const std::string& text) override;
  bool wants_progress() override;  // on a terminal, ten times a second
  void progress(const Progress& progress) override;

 private:
  void clear_bar();

  std::shared_ptr<spdlog::logger> log_;
  std::mutex mutex_;  // lines may come from the loader's threads
  bool terminal_;
  bool bar_ = false;
  std::chrono::steady_clock::time_point drawn_;
};

// To standard output; throws Error when it cannot be written.
void print(const std::string& text);

}  // namespace espalier::apps
