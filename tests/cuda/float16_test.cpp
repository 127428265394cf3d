#include <cmath>

#include "core/io/json.h"
#include "core/io/safetensors.h"
#include "layers/models.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/trainer.h"

namespace espalier::test {
namespace {

struct Float16 {
  Float16() { backend(tested_device()).set_precision(Precision::float16); }
  ~Float16() { backend(tested_device()).set_precision(Precision::float32); }
};

Model lenet(const std::string& name, Device device) {
  Model model{layers::make_model(name, {.image = {28, 28, 1}}), {}, {}};
  model.network.initialise(layers::Initialiser::kaiming_normal, 1, device);
  return model;
}

// Eight images in batches of two, of which `accumulate` make up a step.
std::function<void(StageContext&)> training(int64_t epochs, int64_t accumulate) {
  TrainOptions options{.epochs = epochs, .batch_size = 2, .accumulate = accumulate, .checkpoint_seconds = 0};
  options.optimizer = {.kind = "sgd", .momentum = 0.9};
  options.schedule.learning_rate = 1e-3;
  return [options](StageContext& context) { train(context, options); };
}

struct Checkpoint {
  double loss_scale;
  int64_t steps;
};
Checkpoint checkpoint(const std::filesystem::path& folder) {
  const TensorFile file = read_safetensors(paths::checkpoint(folder));
  const auto position = parse_json(file.metadata.at("position"));
  return {position.at("loss_scale").at("value"), std::stoll(file.metadata.at("steps"))};
}

std::vector<double> losses(const StageRun& run) {  // of every epoch
  std::vector<double> result;
  for (const auto& line : run.metric_lines()) result.push_back(line.at("loss"));
  return result;
}

TEST_CASE("training in float16 loses what training in float32 does, to its rounding") {
  const Float16 precision;
  const TemporaryFolder folder;
  StageRun actual(lenet("lenet5", tested_device()), synthetic(8, 0), folder / "float16"),
      expected(lenet("lenet5", Device::cpu), synthetic(8, 0), folder / "float32");
  actual(training(3, 1));
  expected(training(3, 1));
  CHECK(checkpoint(actual.folder).loss_scale == 65536);
  CHECK(checkpoint(actual.folder).steps == 12);
  CHECK(losses(expected).back() < 0.5 * losses(expected).front());
  for (size_t epoch = 0; epoch < 3; ++epoch)
    CHECK(losses(actual).at(epoch) == Approx(losses(expected).at(epoch)).epsilon(0.01));
}

// Behind weights as large as these the gradients of a loss times 65536 are beyond float16.
TEST_CASE("steps whose scaled gradients overflow are not taken, whenever the training is stopped") {
  const Float16 precision;
  const TemporaryFolder folder;
  const auto make = [] {
    Model model = lenet("lenet_300_100", tested_device());
    Tensor& weight = model.network.parameter("fc3.weight").variable.value();
    weight.backend().axpby(20, weight, 0, weight);
    return model;
  };
  int pieces = 0;
  const auto whole = run_in_pieces(make, synthetic(8, 0), folder / "whole", -1, training(8, 4), pieces);
  const Checkpoint end = checkpoint(whole->folder);
  CHECK(end.loss_scale < 65536);
  CHECK(end.steps == 8 - std::log2(65536 / end.loss_scale));
  CHECK(end.steps >= 4);
  for (const auto& [name, tensor] : whole->model.network.state()) {
    INFO(name);
    for (float value : tensor.to_vector<float>()) REQUIRE(std::isfinite(value));
  }
  const auto resumed = run_in_pieces(make, synthetic(8, 0), folder / "resumed", 1, training(8, 4), pieces);
  CHECK(pieces == 8);
  CHECK(checkpoint(resumed->folder).loss_scale == end.loss_scale);
  check_identical(whole->model.network.state(), resumed->model.network.state());
}

}  // namespace
}  // namespace espalier::test
