#include <nlohmann/json.hpp>
#include <sstream>

#include "layers/models.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/trainer.h"

namespace espalier::test {
namespace {

// The losses of some steps of LeNet-5 with momentum, on one batch of four images per epoch, so that
// metrics.jsonl holds each.
std::vector<double> losses(Device device, int64_t steps) {
  const TemporaryFolder folder;
  Model model{layers::make_model("lenet5", {.image = {28, 28, 1}}), {}, {}};
  model.network.initialise(layers::Initialiser::kaiming_normal, 1, device);
  StageRun run(std::move(model), {.train = synthetic(4, 0).train}, folder.path());
  TrainOptions options{.epochs = steps, .batch_size = 4, .checkpoint_seconds = 1e9};
  options.optimizer = {.kind = "sgd", .momentum = 0.9, .weight_decay = 5e-4};
  options.schedule.learning_rate = 0.01;
  run([&](StageContext& context) { train(context, options); });
  std::vector<double> result;
  std::istringstream text(read_text(paths::metrics(run.folder)));
  for (std::string line; std::getline(text, line);)
    result.push_back(nlohmann::json::parse(line).at("loss").get<double>());
  return result;
}

TEST_CASE("fifty steps of LeNet-5 lose on the device what they lose on the CPU") {
  const std::vector<double> expected = losses(Device::cpu, 50), actual = losses(tested_device(), 50);
  REQUIRE(actual.size() == 50);
  REQUIRE(expected.size() == 50);
  CHECK(expected.back() < 0.5 * expected.front());
  for (size_t step = 0; step < 50; ++step) {
    INFO("step " << step);
    CHECK(actual[step] == Approx(expected[step]).margin(1e-4));
  }
}

TEST_CASE("training on the device gives the same bits in every run") {
  CHECK(losses(tested_device(), 10) == losses(tested_device(), 10));
}

}  // namespace
}  // namespace espalier::test
