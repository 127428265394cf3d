#include "training/trainer.h"

#include <omp.h>

#include "core/io/safetensors.h"
#include "core/ops.h"
#include "layers/models.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/stage_run.h"
#include "training/evaluate.h"
#include "training/shared_weights.h"

namespace espalier::test {
namespace {

using nlohmann::json;

// fc1 keeps half of its weights, fc2 shares eight values and is pruned too.
Model constrained_model() {
  Model model = small_model();
  for (const std::string name : {"fc1.weight", "fc2.weight"}) {
    Tensor& weight = model.network.parameter(name).variable.value();
    model.masks[name] = random_mask(weight.shape(), 3, 0.5, Device::cpu);
    weight.backend().apply_mask(weight, model.masks[name]);
  }
  const Shape shape = model.network.parameter("fc2.weight").shape;
  const Tensor codes = random_integers(shape, 4, 0, 8, Device::cpu);
  std::vector<int32_t> pruned = codes.to_vector<int32_t>();
  const std::vector<uint8_t> keep = model.masks["fc2.weight"].to_vector<uint8_t>();
  for (size_t i = 0; i < pruned.size(); ++i)
    if (keep[i] == 0) pruned[i] = -1;
  model.codebooks["fc2.weight"] = {.centroids = random_tensor({8}, 5, DType::float32, Device::cpu, 0.0, 0.3),
                                   .codes = Tensor::from(pruned, shape)};
  { SharedWeights materialise(model); }
  return model;
}

TrainOptions adam_options() {
  TrainOptions options{.epochs = 3, .batch_size = 50, .objective = {.label_smoothing = 0.05}};
  options.optimizer = {.kind = "adamw", .weight_decay = 0.01};
  options.schedule = {.kind = "cosine", .learning_rate = 3e-3};
  return options;
}

// All that a training leaves behind: weights, statistics, moments, masks, codebooks and position, and the
// lines of metrics.
std::string remains_of(const StageRun& run) {
  return read_text(paths::checkpoint(run.folder)) + read_text(paths::metrics(run.folder));
}

TEST_CASE("training learns to tell the synthetic digits apart") {
  const TemporaryFolder folder;
  Model model{layers::make_model("lenet_300_100", {.image = {28, 28, 1}}), {}, {}};
  model.network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  StageRun run(std::move(model), synthetic(3000, 500), folder.path());
  TrainOptions options{.epochs = 2, .batch_size = 64};
  options.schedule.learning_rate = 0.02;
  run([&](StageContext& context) { train(context, options); });
  CHECK(evaluate(run.model.network, run.data.test, Device::cpu).accuracy() > 0.9);
  const auto lines = run.metric_lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[1].at("loss").get<double>() < lines[0].at("loss").get<double>());
  CHECK(run.last.batch == run.last.batches);
  CHECK(run.last.epoch == 2);
}

TEST_CASE("ten steps of LeNet-300-100 lose what PyTorch's lose") {
  // One batch per epoch, so that metrics.jsonl holds the loss of every step.
  class Golden final : public datasets::Dataset {
   public:
    int64_t size() const override { return 64; }
    Shape image_shape() const override { return {28, 28, 1}; }
    int classes() const override { return 10; }
    int32_t get(int64_t index, std::span<float> image) const override {
      std::ranges::copy(
          images_.host<float>().subspan(static_cast<size_t>(index) * image.size(), image.size()),
          image.begin());
      return static_cast<int32_t>(index * 7 % 10);
    }

   private:
    Tensor images_ = golden_tensor({64, 784}, 20, -1, 1);
  };
  const json golden = read_golden("training.json").at("lenet_300_100");
  for (const std::string kind : {"sgd", "adam"}) {
    INFO(kind);
    const TemporaryFolder folder;
    Model model{layers::make_model("lenet_300_100", {.image = {28, 28, 1}}), {}, {}};
    model.network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
    uint64_t stream = 10;
    for (const std::string layer : {"fc1", "fc2", "fc3"}) {
      Parameter& weight = model.network.parameter(layer + ".weight");
      const float bound = std::sqrt(6.0f / static_cast<float>(weight.shape[1]));
      weight.variable.value().copy_from(golden_tensor(weight.shape, stream++, -bound, bound));
    }
    StageRun run(std::move(model), {.train = std::make_shared<Golden>()}, folder.path());
    TrainOptions options{.epochs = 10, .batch_size = 64};
    options.optimizer = {.kind = kind, .momentum = 0.9, .weight_decay = 5e-3};
    options.schedule.learning_rate = kind == "sgd" ? 0.1 : 1e-3;
    run([&](StageContext& context) { train(context, options); });
    const auto lines = run.metric_lines();
    REQUIRE(lines.size() == golden.at(kind).size());
    for (size_t step = 0; step < lines.size(); ++step) {
      INFO("step " << step);
      CHECK(lines[step].at("loss").get<double>() ==
            Approx(golden.at(kind).at(step).get<double>()).epsilon(1e-4));
    }
  }
}

TEST_CASE("training gives the same bits for any number of threads") {
  const int before = omp_get_max_threads();
  std::string expected;
  for (int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    const TemporaryFolder folder;
    StageRun run(constrained_model(), synthetic(330, 10), folder.path());
    run([](StageContext& context) { train(context, adam_options()); });
    if (threads == 1) expected = remains_of(run);
    CHECK((remains_of(run) == expected));
  }
  omp_set_num_threads(before);
}

TEST_CASE("a training that is stopped and continued gives the same bits as one that is not") {
  auto data = synthetic(330, 30);  // seven batches, the last of them short
  data.validation = data.test;
  for (const char* kind : {"sgd", "adam"}) {
    TrainOptions options = adam_options();
    options.optimizer.kind = kind;
    const auto stage = [&](StageContext& context) { train(context, options); };
    const TemporaryFolder folder;
    StageRun whole(constrained_model(), data, folder / "whole");
    whole(stage);
    for (int64_t stride : {1, 4, 7, 10}) {
      INFO(kind << ", stopped every " << stride << " batches");
      int pieces = 0;
      const auto run =
          run_in_pieces(constrained_model, data, folder / std::to_string(stride), stride, stage, pieces);
      CHECK(pieces == (21 + stride - 1) / stride);
      CHECK((remains_of(*run) == remains_of(whole)));
      check_identical(run->model.network.state(), whole.model.network.state());
    }
  }
}

TEST_CASE("checkpoints inside an epoch change nothing") {
  const TemporaryFolder folder;
  TrainOptions options = adam_options();
  StageRun rarely(constrained_model(), synthetic(200, 10), folder / "rarely");
  rarely([&](StageContext& context) { train(context, options); });
  options.checkpoint_seconds = 0;
  StageRun always(constrained_model(), synthetic(200, 10), folder / "always");
  always([&](StageContext& context) { train(context, options); });
  CHECK((remains_of(always) == remains_of(rarely)));
}

TEST_CASE("pruned weights stay zero and shared weights stay equal to their centroids") {
  const TemporaryFolder folder;
  StageRun run(constrained_model(), synthetic(330, 10), folder.path());
  const auto before = run.model.codebooks.at("fc2.weight").centroids.to_vector<float>();
  const auto codes = run.model.codebooks.at("fc2.weight").codes.to_vector<int32_t>();
  TrainOptions options = adam_options();
  options.optimizer = {.kind = "sgd", .momentum = 0.9, .weight_decay = 0.01};
  run([&](StageContext& context) { train(context, options); });

  int64_t kept = 0;
  const auto fc1 = run.model.network.parameter("fc1.weight").variable.value().to_vector<float>();
  const auto mask = run.model.masks.at("fc1.weight").to_vector<uint8_t>();
  for (size_t i = 0; i < fc1.size(); ++i) {
    CHECK((fc1[i] != 0) == (mask[i] != 0));
    kept += mask[i];
  }
  CHECK(kept > 0);

  const auto& [centroids, codes_after] = run.model.codebooks.at("fc2.weight");
  CHECK(codes_after.to_vector<int32_t>() == codes);
  const auto after = centroids.to_vector<float>();
  for (size_t k = 0; k < after.size(); ++k) CHECK(after[k] != before[k]);
  const auto fc2 = run.model.network.parameter("fc2.weight").variable.value().to_vector<float>();
  for (size_t i = 0; i < fc2.size(); ++i)
    CHECK(fc2[i] == (codes[i] < 0 ? 0.0f : after[static_cast<size_t>(codes[i])]));
}

TEST_CASE("a centroid moves along the summed gradient of the weights that share it") {
  Model shared{layers::Network("one", {1, 1, 3}), {}, {}};
  shared.network.add("flatten", "flatten");
  shared.network.add("linear", "fc", {{"features", 2}, {"bias", false}});
  shared.network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  shared.codebooks["fc.weight"] = {.centroids = Tensor::from(std::vector<float>{0.5f, -1}, {2}),
                                   .codes = Tensor::from(std::vector<int32_t>{0, 1, 0, -1, 1, 1}, {2, 3})};
  SharedWeights weights(shared);
  weights.bind();
  const Variable images(Tensor::from(std::vector<float>{1, 2, 4}, {1, 1, 1, 3}));
  Variable y = ops::sum(shared.network.forward(images, {.training = true}));
  CHECK(y.value().item() == 0.5 * (1 + 4) - 2 - (2 + 4));
  y.backward();
  const auto parameters = weights.parameters();
  REQUIRE(parameters.size() == 1);
  CHECK(parameters[0].name == "fc.weight.centroids");
  CHECK(parameters[0].variable.gradient().to_vector<float>() == std::vector<float>{1 + 4, 2 + 2 + 4});
}

TEST_CASE("a loss that is not finite stops the training and names epoch and batch") {
  for (bool quiet : {false, true}) {
    const TemporaryFolder folder;
    StageRun run(small_model(), synthetic(200, 10), folder.path());
    run.quiet = quiet;  // then nobody reads the loss until the epoch ends
    TrainOptions options{.epochs = 2, .batch_size = 50};
    options.schedule.learning_rate = 1e38;
    CHECK_ERROR(run([&](StageContext& context) { train(context, options); }),
                "in epoch 1, batch 2; a smaller learning rate");
    CHECK_FALSE(std::filesystem::exists(paths::checkpoint(folder.path())));
  }
}

TEST_CASE("a training that nobody watches gives the same metrics and the same bits") {
  const auto run = [](bool quiet) {
    const TemporaryFolder folder;
    StageRun training(small_model(), synthetic(200, 10), folder.path());
    training.quiet = quiet;
    training([](StageContext& context) { train(context, {.epochs = 2, .batch_size = 30, .accumulate = 2}); });
    CHECK((training.batches == 0) == quiet);
    return std::pair(training.file(paths::metrics(folder.path())),
                     training.model.network.parameter("fc2.weight").variable.value().to_vector<float>());
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("metrics give the rate that an epoch's last step took and the validation's accuracy") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(200, 50), folder.path());
  run.data.validation = run.data.test;
  TrainOptions options{.epochs = 3, .batch_size = 50};
  options.schedule = {.kind = "step", .learning_rate = 0.01, .gamma = 0.1, .step_epochs = 1};
  run([&](StageContext& context) { train(context, options); });
  const auto lines = run.metric_lines();
  REQUIRE(lines.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(lines[i].at("epoch") == i + 1);
    CHECK(lines[i].at("stage") == 2);
    CHECK(lines[i].at("learning_rate").get<double>() == Approx(0.01 * std::pow(0.1, i)));
  }
  const Evaluation validation = evaluate(run.model.network, run.data.validation, Device::cpu);
  CHECK(lines[2].at("validation_accuracy") == validation.accuracy());
  CHECK(lines[2].at("validation_loss") == validation.loss);
}

TEST_CASE("what runs before an epoch may change the masks, once per epoch") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(200, 10), folder.path());
  std::vector<int64_t> epochs;
  const auto prune = [&](int64_t epoch) {
    epochs.push_back(epoch);
    const Shape shape = run.model.network.parameter("fc1.weight").shape;
    run.model.masks["fc1.weight"] = random_mask(shape, 1, epoch == 0 ? 0.8 : 0.3, Device::cpu);
    return ModelChange{.constraints = epoch != 1};
  };
  run([&](StageContext& context) {
    train(context, {.epochs = 3, .batch_size = 50}, {.before_epoch = prune});
  });
  CHECK(epochs == std::vector<int64_t>{0, 1, 2});
  const auto mask = run.model.masks.at("fc1.weight").to_vector<uint8_t>();
  const auto weight = run.model.network.parameter("fc1.weight").variable.value().to_vector<float>();
  for (size_t i = 0; i < mask.size(); ++i) CHECK((weight[i] != 0) == (mask[i] != 0));
}

TEST_CASE("a network for another number of classes and a damaged checkpoint are errors") {
  const TemporaryFolder folder;
  Model other{layers::make_model("lenet_300_100", {.image = {28, 28, 1}, .classes = 7}), {}, {}};
  other.network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  StageRun run(std::move(other), synthetic(50, 10), folder / "classes");
  const auto stage = [](StageContext& context) { train(context, {.epochs = 1}); };
  CHECK_ERROR(run(stage), "tells 7 classes apart; the data has 10");

  StageRun damaged(small_model(), synthetic(50, 10), folder / "damaged");
  const auto path = paths::checkpoint(damaged.folder);
  write_file(path, "not a checkpoint");
  CHECK_ERROR(damaged(stage), path.string());
  write_safetensors(path, {{}, {{"steps", "1"}}});
  CHECK_ERROR(damaged(stage), path.string() + ": not a training checkpoint");
  const std::string nested(100'000, '[');
  write_safetensors(path, {{}, {{"steps", "1"}, {"position", nested}}});
  CHECK_ERROR(damaged(stage), "nested deeper");
  const std::string position =
      R"({"epoch": 0, "prepared": false, "batch": 0, "images": 0, "correct": 0, "loss": 0, "best_epoch": 0,
          "best_accuracy": 0, "history": []})";
  write_safetensors(path, {{}, {{"steps", "1"}, {"position", position}}});
  CHECK_ERROR(damaged(stage), "not a training checkpoint: no 'network'");
  write_safetensors(path, {{}, {{"steps", "1"}, {"position", position}, {"network", "{}"}}});
  CHECK_ERROR(damaged(stage), path.string());
  write_safetensors(
      path, {{}, {{"steps", "1"}, {"position", position}, {"network", damaged.model.network.description()}}});
  CHECK_ERROR(damaged(stage), "'conv.weight' is missing");
}

TEST_CASE("a recipe's training options are read strictly") {
  const auto read = [](const std::string& text) {
    const Config config = Config::from_text(text, "recipe");
    const TrainOptions options = read_train_options(config, 4);
    config.finish();
    return options;
  };
  const TrainOptions options = read(R"(
    batch_size = 32
    learning_rate = 0.5
    optimizer = {kind = "adam", beta1 = 0.8, weight_decay = 0.01}
    schedule = {kind = "multi_step", milestones = [1, 2.5], gamma = 0.2})");
  CHECK(options.epochs == 4);
  CHECK(options.batch_size == 32);
  CHECK(options.optimizer.beta1 == 0.8);
  CHECK(options.schedule.learning_rate == 0.5);
  CHECK(options.schedule.milestones == std::vector<double>{1, 2.5});
  CHECK_ERROR(read("batch_size = 0"), "batch_size");
  CHECK_ERROR(read(R"(optimizer = {kind = "adam", momentum = 0.9})"), "momentum");
  CHECK_ERROR(read(R"(schedule = {kind = "cosine", gamma = 0.1})"), "gamma");
  CHECK_ERROR(read(R"(schedule = {kind = "exponential"})"), "exponential");
  CHECK_ERROR(read("epoch = 3"), "epoch");
}

}  // namespace
}  // namespace espalier::test
