#include "core/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace espalier {
namespace {

// From `begin` to `end` along half a cosine as `progress` goes from 0 to 1.
double cosine(double begin, double end, double progress) {
  return end + (begin - end) * 0.5 * (1 + std::cos(std::numbers::pi * std::clamp(progress, 0.0, 1.0)));
}

}  // namespace

const std::vector<std::string>& schedule_kinds() {
  static const std::vector<std::string> kKinds = {"constant", "step", "multi_step", "cosine", "one_cycle"};
  return kKinds;
}

double learning_rate_at(const ScheduleOptions& options, int64_t step, int64_t steps_per_epoch,
                        double epochs) {
  check(std::ranges::count(schedule_kinds(), options.kind) == 1,
        "[schedule] unknown kind '{}'; the kinds are {}", options.kind, fmt::join(schedule_kinds(), ", "));
  const double per_epoch = static_cast<double>(steps_per_epoch);
  const double warmup = options.warmup_epochs * per_epoch;
  const double now = static_cast<double>(step);
  if (now < warmup) return options.learning_rate * (now + 1) / (warmup + 1);

  const double span = epochs * per_epoch - warmup;
  const double progress = span > 0 ? (now - warmup) / span : 1.0;
  const double epoch = now / per_epoch;
  if (options.kind == "constant") return options.learning_rate;
  if (options.kind == "step")
    return options.learning_rate * std::pow(options.gamma, std::floor(epoch / options.step_epochs));
  if (options.kind == "multi_step") {
    const auto passed = std::count_if(options.milestones.begin(), options.milestones.end(),
                                      [&](double m) { return epoch >= m; });
    return options.learning_rate * std::pow(options.gamma, static_cast<double>(passed));
  }
  if (options.kind == "cosine") return options.learning_rate * cosine(1.0, options.final_factor, progress);
  // one_cycle, counted as PyTorch does: the last step of the rise is the peak and the last of all the end.
  const double peak = std::max(options.rise * span - 1, 0.0);
  const double at = now - warmup;
  return options.learning_rate *
         (at < peak ? cosine(options.initial_factor, 1.0, at / peak)
                    : cosine(1.0, options.final_factor, (at - peak) / std::max(span - 1 - peak, 1e-9)));
}

}  // namespace espalier
