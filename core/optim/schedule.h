#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

// The learning rate over a training.
struct ScheduleOptions {
  std::string kind = "constant";   // constant, step, multi_step, cosine, one_cycle
  double learning_rate = 0.1;      // the base; the peak of one_cycle
  double gamma = 0.1;              // step, multi_step: the factor at each drop
  double step_epochs = 30;         // step: epochs between drops
  std::vector<double> milestones;  // multi_step: epochs of the drops
  double final_factor = 0.0;       // cosine, one_cycle: where it ends, as a share of learning_rate
  double initial_factor = 0.04;    // one_cycle: where it begins
  double rise = 0.3;               // one_cycle: the share of steps that rise, the peak included
  double warmup_epochs = 0.0;      // any: a linear ramp from 0 before the rest
};

// The rate at `step` (from 0) of a training of `epochs` epochs with `steps_per_epoch` steps each. Pure.
// Throws Error for an unknown kind.
double learning_rate_at(const ScheduleOptions& options, int64_t step, int64_t steps_per_epoch, double epochs);
const std::vector<std::string>& schedule_kinds();

}  // namespace espalier
