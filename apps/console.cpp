#include "apps/console.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace espalier::apps {

Console::Console(const std::filesystem::path& log) : terminal_(isatty(STDOUT_FILENO) != 0) {
  try {
    log_ = std::make_shared<spdlog::logger>(
        "run", std::make_shared<spdlog::sinks::basic_file_sink_mt>(log.string()));
  } catch (const spdlog::spdlog_ex& error) {
    fail("{}: cannot be written: {}", log.string(), error.what());
  }
  log_->set_pattern("%Y-%m-%d %H:%M:%S  %v");
  log_->flush_on(spdlog::level::info);
}

Console::~Console() {
  clear_bar();
}

void Console::clear_bar() {
  if (bar_) std::fputs("\r\033[K", stdout);
  bar_ = false;
}

void print(const std::string& text) {
  check(std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0, "[output] cannot be written: {}",
        std::strerror(errno));
}

void Console::line(const std::string& text) {
  const std::lock_guard lock(mutex_);
  clear_bar();
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
  log_->info("{}", text);
}

bool Console::wants_progress() {
  const std::lock_guard lock(mutex_);
  return terminal_ && std::chrono::steady_clock::now() - drawn_ >= std::chrono::milliseconds(100);
}

void Console::progress(const Progress& now) {
  const std::lock_guard lock(mutex_);
  drawn_ = std::chrono::steady_clock::now();
  constexpr int64_t kWidth = 24;
  const int64_t filled = kWidth * now.batch / now.batches;
  std::string bar;
  for (int64_t i = 0; i < kWidth; ++i) bar += i < filled ? "█" : "░";
  const auto seconds = static_cast<int64_t>(now.seconds_left + 0.5);
  const std::string text = fmt::format(
      "\r{} epoch {}/{}  loss {:.4f}  accuracy {:.2f} %  {:.0f} images/s  {}:{:02} left", bar, now.epoch,
      now.epochs, now.loss, 100 * now.accuracy, now.images_per_second, seconds / 60, seconds % 60);
  std::fputs((text + "\033[K").c_str(), stdout);
  std::fflush(stdout);
  bar_ = true;
}

}  // namespace espalier::apps
