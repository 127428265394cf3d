#include "core/optim/schedule.h"

#include "tests/support/catch.h"
#include "tests/support/golden.h"

namespace espalier::test {
namespace {

// Rates of a training of four epochs of ten steps.
double rate(const ScheduleOptions& options, int64_t step) {
  return learning_rate_at(options, step, 10, 4.0);
}

TEST_CASE("a constant schedule is constant") {
  for (int64_t step : {0, 17, 39, 40}) CHECK(rate({.learning_rate = 0.3}, step) == 0.3);
}

TEST_CASE("a step schedule drops every so many epochs") {
  const ScheduleOptions options{.kind = "step", .learning_rate = 0.8, .gamma = 0.5, .step_epochs = 1.5};
  CHECK(rate(options, 14) == 0.8);
  CHECK(rate(options, 15) == 0.4);
  CHECK(rate(options, 29) == 0.4);
  CHECK(rate(options, 30) == 0.2);
}

TEST_CASE("a multi-step schedule drops at its milestones") {
  const ScheduleOptions options{
      .kind = "multi_step", .learning_rate = 1.0, .gamma = 0.25, .milestones = {1.0, 3.5}};
  CHECK(rate(options, 9) == 1.0);
  CHECK(rate(options, 10) == 0.25);
  CHECK(rate(options, 34) == 0.25);
  CHECK(rate(options, 35) == 0.0625);
}

TEST_CASE("a cosine schedule falls along half a cosine to its final factor") {
  const ScheduleOptions options{.kind = "cosine", .learning_rate = 2.0, .final_factor = 0.1};
  CHECK(rate(options, 0) == Approx(2.0));
  CHECK(rate(options, 10) == Approx(0.2 + 1.8 * (1 + std::sqrt(0.5)) / 2));
  CHECK(rate(options, 20) == Approx(1.1));
  CHECK(rate(options, 40) == Approx(0.2));
  CHECK(rate(options, 100) == Approx(0.2));
}

TEST_CASE("warm-up rises linearly from above zero and the rest begins where it ends") {
  ScheduleOptions options{.kind = "cosine", .learning_rate = 1.1, .warmup_epochs = 1.0};
  CHECK(rate(options, 0) == Approx(0.1));
  CHECK(rate(options, 9) == Approx(1.0));
  CHECK(rate(options, 10) == Approx(1.1));
  CHECK(rate(options, 25) == Approx(0.55));  // half of the thirty steps that are left
  options.kind = "step";                     // epochs of drops count from the start, as papers state them
  options.step_epochs = 2;
  CHECK(rate(options, 19) == Approx(1.1));
  CHECK(rate(options, 20) == Approx(0.11));
}

TEST_CASE("one cycle gives PyTorch's rates") {
  const auto golden = read_golden("training.json").at("one_cycle");
  CHECK(golden.size() == 2);
  for (const auto& [steps, rates] : golden.items()) {
    const ScheduleOptions options{.kind = "one_cycle",
                                  .learning_rate = 0.5,
                                  .final_factor = 1.0 / 25 / 40,
                                  .initial_factor = 1.0 / 25,
                                  .rise = 0.3};
    const int64_t total = std::stoll(steps);
    for (int64_t step = 0; step < total; ++step) {
      INFO("step " << step << " of " << steps);
      CHECK(learning_rate_at(options, step, total, 1.0) ==
            Approx(rates.at(static_cast<size_t>(step)).get<double>()));
    }
  }
}

TEST_CASE("a cycle of any length stays between its lowest and its peak") {
  for (int64_t total : {1, 2, 3, 4, 7, 100})
    for (double rise : {0.0, 0.3}) {
      const ScheduleOptions options{.kind = "one_cycle", .learning_rate = 1.0, .rise = rise};
      double peak = 0;
      for (int64_t step = 0; step <= total; ++step) {
        const double now = learning_rate_at(options, step, total, 1.0);
        CHECK((now >= 0 && now <= 1));
        peak = std::max(peak, now);
      }
      CHECK(peak > 0.6);
    }
}

TEST_CASE("an unknown schedule is an error that lists the known ones") {
  CHECK_ERROR(rate({.kind = "linear"}, 0),
              "unknown kind 'linear'; the kinds are constant, step, multi_step, cosine");
}

TEST_CASE("an unknown schedule is an error from its first warm-up step on") {
  CHECK_ERROR(rate({.kind = "linear", .warmup_epochs = 1}, 0), "unknown kind 'linear'");
}

}  // namespace
}  // namespace espalier::test
