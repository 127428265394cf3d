#include <nlohmann/json.hpp>

#include "core/random.h"
#include "layers/models.h"
#include "layers/models/resnet_cifar.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/trainer.h"

namespace espalier::test {
namespace {

constexpr int kTrainingSteps = 50;

// Small images of noise.
class Noise final : public datasets::Dataset {
 public:
  int64_t size() const override { return 4; }
  Shape image_shape() const override { return {12, 12, 3}; }
  int classes() const override { return 10; }
  int32_t get(int64_t index, std::span<float> image) const override {
    RandomStream random(static_cast<uint64_t>(index), "noise");
    for (float& value : image) value = static_cast<float>(2 * random.uniform() - 1);
    return static_cast<int32_t>(index);
  }
};

struct Trained {
  std::vector<double> losses;  // of every step
  Tensors state;               // at the end, on the CPU
  Tensors masks;               // likewise
};

// Steps with momentum, on one batch of four images per epoch, so that metrics.jsonl holds the loss of each.
// Half of every convolution is pruned at random before step `pruned_at`.
Trained trained(layers::Network network, std::shared_ptr<const datasets::Dataset> data, Device device,
                int steps, double learning_rate, int pruned_at = -1) {
  const TemporaryFolder folder;
  // Of a seed with which no activation comes as near to zero as rounding: it would part the two devices.
  network.initialise(layers::Initialiser::kaiming_normal, 2, device);
  StageRun run({std::move(network), {}, {}}, {.train = std::move(data)}, folder.path());
  TrainOptions options{.epochs = steps, .batch_size = 4, .checkpoint_seconds = 1e9};
  options.optimizer = {.kind = "sgd", .momentum = 0.9, .weight_decay = 5e-4};
  options.schedule.learning_rate = learning_rate;
  run([&](StageContext& context) {
    const auto prune = [&](int64_t epoch) {
      if (epoch != pruned_at) return ModelChange{};
      uint64_t seed = 1;
      for (Parameter* parameter : context.model.network.parameters())
        if (parameter->kind == ParameterKind::weight && parameter->shape.rank() == 4)
          context.model.masks[parameter->name] = random_mask(parameter->shape, seed++, 0.5, device);
      return ModelChange{.constraints = true};
    };
    train(context, options, {.before_epoch = prune});
  });
  Trained result;
  for (const auto& line : run.metric_lines()) result.losses.push_back(line.at("loss"));
  result.state = on_cpu(run.model.network.state());
  result.masks = on_cpu(run.model.masks);
  return result;
}

void check_losses(const Trained& actual, const Trained& expected) {
  REQUIRE(actual.losses.size() == kTrainingSteps);
  REQUIRE(expected.losses.size() == kTrainingSteps);
  CHECK(expected.losses.back() < 0.5 * expected.losses.front());
  for (size_t step = 0; step < kTrainingSteps; ++step) {
    INFO("step " << step);
    CHECK(actual.losses[step] == Approx(expected.losses[step]).epsilon(1e-4));
  }
}

TEST_CASE("fifty steps of LeNet-5 lose on the device what they lose on the CPU") {
  const auto run = [](Device device) {
    return trained(layers::make_model("lenet5", {.image = {28, 28, 1}}), synthetic(4, 0).train, device,
                   kTrainingSteps, 1e-4);
  };
  check_losses(run(tested_device()), run(Device::cpu));
}

TEST_CASE("fifty steps of a ResNet, half of its weights pruned on the way, lose what they lose on the CPU") {
  const auto run = [](Device device) {
    return trained(layers::resnet_cifar("resnet8", 8, layers::Shortcut::project,
                                        {.stem = 4, .stages = {4, 6, 8}}, {.image = {12, 12, 3}}),
                   std::make_shared<Noise>(), device, kTrainingSteps, 0.02, 10);
  };
  const Trained actual = run(tested_device()), expected = run(Device::cpu);
  check_losses(actual, expected);
  REQUIRE(actual.masks.size() == 9);
  for (const auto& [name, mask] : actual.masks) {
    INFO(name);
    CHECK(identical(mask, expected.masks.at(name)));
    const auto kept = mask.to_vector<uint8_t>();
    const auto weights = actual.state.at(name).to_vector<float>();
    size_t pruned = 0, otherwise = 0;
    for (size_t i = 0; i < kept.size(); ++i) {
      pruned += kept[i] == 0;
      otherwise += (weights[i] == 0.0f) != (kept[i] == 0);
    }
    CHECK(pruned > 0);
    CHECK(otherwise == 0);
  }
}

TEST_CASE("training on the device gives the same bits in every run") {
  const auto run = [] {
    return trained(layers::make_model("lenet5", {.image = {28, 28, 1}}), synthetic(4, 0).train,
                   tested_device(), 10, 0.01);
  };
  const Trained first = run(), second = run();
  CHECK(first.losses == second.losses);
  check_identical(first.state, second.state);
}

}  // namespace
}  // namespace espalier::test
