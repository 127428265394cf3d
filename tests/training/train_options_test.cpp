#include <cmath>

#include "core/ops.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/evaluate.h"
#include "training/objective.h"
#include "training/shared_weights.h"
#include "training/trainer.h"
#include "training/weight_average.h"

namespace espalier::test {
namespace {

using nlohmann::json;

// Without batch norm and dropout, so that a batch is the sum of its parts.
Model plain_model(uint64_t seed = 1) {
  layers::Network network("plain", {28, 28, 1});
  network.add("flatten", "flatten");
  network.add("linear", "fc1", {{"features", 12}});
  network.add("tanh", "tanh");
  network.add("linear", "fc2", {{"features", 10}});
  network.initialise(layers::Initialiser::kaiming_normal, seed, Device::cpu);
  return {std::move(network), {}, {}};
}

std::vector<float> weights_after(const TrainOptions& options, const std::filesystem::path& folder) {
  StageRun run(plain_model(), synthetic(100, 10), folder);
  run([&](StageContext& context) { train(context, options); });
  return run.model.network.parameter("fc1.weight").variable.value().to_vector<float>();
}

TEST_CASE("accumulated small batches take the step of a large one, the short last group too") {
  const TemporaryFolder folder;
  TrainOptions large{.epochs = 2, .batch_size = 30}, small{.epochs = 2, .batch_size = 10, .accumulate = 3};
  large.optimizer.momentum = small.optimizer.momentum = 0.9;
  large.schedule = small.schedule = {.kind = "cosine", .learning_rate = 0.05};
  const auto expected = weights_after(large, folder / "large"), got = weights_after(small, folder / "small");
  for (size_t i = 0; i < expected.size(); ++i) CHECK(got[i] == Approx(expected[i]).margin(1e-5));
}

TEST_CASE("averages of weights follow the rule, and swap with what they average") {
  layers::Network network("one", {1, 1, 1});
  network.add("batch_norm", "norm");
  network.add("flatten", "flatten");
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  std::vector<Parameter> parameters;
  for (const Parameter* parameter : network.parameters()) parameters.push_back(*parameter);
  Tensor& scale = network.parameter("norm.weight").variable.value();
  Tensor& mean = network.nodes()[0].layer->buffers()[0].tensor;
  WeightAverage average(parameters, network, 0.25);
  double expected_scale = 1, expected_mean = 0;
  for (int64_t step = 1; step <= 3; ++step) {
    scale.fill(static_cast<double>(step + 1));
    mean.fill(static_cast<double>(10 * step));
    average.update(step);
    const double decay =
        std::min(0.25, (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step)));
    expected_scale = decay * expected_scale + (1 - decay) * static_cast<double>(step + 1);
    expected_mean = decay * expected_mean + (1 - decay) * static_cast<double>(10 * step);
  }
  average.swap();
  CHECK(scale.item() == Approx(expected_scale));
  CHECK(mean.item() == Approx(expected_mean));
  average.swap();
  CHECK(scale.item() == 4);
  average.apply_masks({{"norm.weight", Tensor::zeros({1}, DType::uint8)}});
  CHECK(average.state().at("norm.weight").item() == 0);
  CHECK(average.state().at("norm.running_mean").item() == Approx(expected_mean));
  CHECK_ERROR(average.load_state({}), "the average of 'norm.weight' is missing");
}

TEST_CASE("a training with an average ends with it and validates it") {
  auto data = synthetic(200, 100);
  data.validation = data.test;
  const TemporaryFolder folder;
  TrainOptions options{.epochs = 2, .batch_size = 20, .ema_decay = 0.9};
  StageRun run(small_model(), data, folder.path());
  run([&](StageContext& context) { train(context, options); });
  const Evaluation now = evaluate(run.model.network, data.test, Device::cpu);
  CHECK(run.metric_lines().back().at("validation_loss").get<double>() == now.loss);
  const TemporaryFolder other;
  options.ema_decay = 0;
  StageRun plain(small_model(), data, other.path());
  plain([&](StageContext& context) { train(context, options); });
  CHECK(evaluate(plain.model.network, data.test, Device::cpu).loss != now.loss);
}

TEST_CASE("averaged centroids are those that the weights have, in every file that training leaves") {
  auto data = synthetic(200, 50);
  data.validation = data.test;
  const auto model = [] {
    Model shared = plain_model();
    const Shape shape = shared.network.parameter("fc1.weight").shape;
    shared.codebooks["fc1.weight"] = {
        .centroids = random_tensor({8}, 5, DType::float32, Device::cpu, 0.0, 0.1),
        .codes = random_integers(shape, 4, 0, 8, Device::cpu)};
    { SharedWeights materialise(shared); }
    return shared;
  };
  for (const bool keep_best : {false, true}) {
    const TemporaryFolder folder;
    StageRun run(model(), data, folder.path());
    const TrainOptions options{.epochs = 3, .batch_size = 20, .ema_decay = 0.8, .keep_best = keep_best};
    run([&](StageContext& context) { train(context, options); });
    std::filesystem::create_directories(folder / "saved");
    save_model(folder / "saved", run.model);  // refuses weights that are not their centroids when it is read
    CHECK_NOTHROW(load_model(folder / "saved", Device::cpu));
  }
}

TEST_CASE("every training option is read from a recipe") {
  const Config config = Config::from_text(R"(
epochs = 7
batch_size = 32
mixup = 0.2
accumulate = 4
label_smoothing = 0.1
ema_decay = 0.99
keep = "best"
learning_rate = 0.3
distillation = { teacher = "t.safetensors", temperature = 2, weight = 0.5 }
optimizer = { kind = "sgd", clip_norm = 1.5, weight_decay = 0.01, weight_decay_layers = { fc1 = 0.02 } }
)",
                                          "r.toml");
  const TrainOptions options = read_train_options(config, 1);
  config.finish();
  CHECK(options.epochs == 7);
  CHECK(options.mixup == 0.2);
  CHECK(options.accumulate == 4);
  CHECK(options.ema_decay == 0.99);
  CHECK(options.keep_best);
  CHECK(options.objective.label_smoothing == 0.1);
  CHECK(options.objective.distillation.teacher == "t.safetensors");
  CHECK(options.objective.distillation.temperature == 2);
  CHECK(options.objective.distillation.weight == 0.5);
  CHECK(options.optimizer.clip_norm == 1.5);
  CHECK(options.weight_decay_layers == std::map<std::string, double>{{"fc1", 0.02}});

  const auto read = [](const std::string& text) {
    const Config each = Config::from_text(text, "r.toml");
    return read_train_options(each, 1);
  };
  CHECK_ERROR(read("keep = \"first\""), "keep is \"first\"; expected");
  CHECK_ERROR(read("distillation = { temperature = 2 }"), "distillation.teacher is missing");
  CHECK_ERROR(read("ema_decay = 1"), "ema_decay is 1; expected");
  const auto check_against = [&](const std::string& text) {
    check_train_options(read(text), plain_model().network, synthetic(20, 10));
  };
  CHECK_ERROR(check_against("optimizer = { weight_decay_layers = { fc9 = 0.1 } }"), "'fc9'");
  CHECK_ERROR(check_against("keep = \"best\""), "without validation images");
  CHECK_ERROR(check_against("distillation = { teacher = \"/nowhere/t.safetensors\" }"),
              "/nowhere/t.safetensors");
}

TEST_CASE("keep = best ends with the epoch that was best on validation") {
  auto data = synthetic(300, 100);
  data.validation = data.test;
  TrainOptions options{.epochs = 4, .batch_size = 30, .keep_best = true};
  // Two sound epochs, then a rate that wrecks what they learnt.
  options.schedule = {.kind = "multi_step", .learning_rate = 0.05, .gamma = 100, .milestones = {2}};
  const TemporaryFolder folder;
  StageRun run(plain_model(), data, folder.path());
  run([&](StageContext& context) { train(context, options); });
  std::vector<double> accuracies;
  for (const json& line : run.metric_lines()) accuracies.push_back(line.at("validation_accuracy"));
  REQUIRE(accuracies.size() == 4);
  const double best = *std::ranges::max_element(accuracies);
  CHECK(best > accuracies.back());
  CHECK(evaluate(run.model.network, data.test, Device::cpu).accuracy() == best);

  StageRun without(plain_model(), synthetic(300, 10), folder / "without");
  CHECK_ERROR(without([&](StageContext& context) { train(context, options); }),
              "[train] keep = \"best\" without validation images");
}

TEST_CASE("distillation adds the softened divergence from the teacher to the cross-entropy") {
  const TemporaryFolder folder;
  Model teacher = plain_model(5);
  const auto file = folder / "teacher.safetensors";
  save_network(file, teacher.network);
  Model student = plain_model(6);
  constexpr double kTemperature = 3, kWeight = 0.7;
  Objective objective({.distillation = {.teacher = file, .temperature = kTemperature, .weight = kWeight}},
                      student.network, Device::cpu);
  const Tensor images = random_tensor({4, 28, 28, 1}, 3, DType::float32, Device::cpu);
  const Tensor labels = Tensor::from(std::vector<int32_t>{1, 9, 0, 4}, {4});
  const auto logits_of = [&](Model& model) {
    const NoGradient no_gradient;
    return model.network.forward(Variable(images), {}).value();
  };
  const auto t = logits_of(teacher).to_vector<float>(), s = logits_of(student).to_vector<float>();
  double divergence = 0;
  for (size_t row = 0; row < 4; ++row) {
    double t_sum = 0, s_sum = 0;
    for (size_t c = 0; c < 10; ++c) {
      t_sum += std::exp(t[10 * row + c] / kTemperature);
      s_sum += std::exp(s[10 * row + c] / kTemperature);
    }
    for (size_t c = 0; c < 10; ++c) {
      const double p = std::exp(t[10 * row + c] / kTemperature) / t_sum;
      const double q = std::exp(s[10 * row + c] / kTemperature) / s_sum;
      divergence += p * std::log(p / q) / 4;
    }
  }
  const Variable logits(logits_of(student), true);
  const double plain = ops::cross_entropy(logits, labels).loss.value().item();
  const double loss = objective(logits, {.images = images, .labels = labels}).loss.value().item();
  CHECK(loss == Approx((1 - kWeight) * plain + kWeight * kTemperature * kTemperature * divergence));
}

TEST_CASE("under mixup the loss is mixed between both labels") {
  Objective objective({}, plain_model().network, Device::cpu);
  const Variable logits(random_tensor({3, 10}, 3, DType::float32, Device::cpu));
  const Tensor labels = Tensor::from(std::vector<int32_t>{1, 9, 0}, {3}),
               other = Tensor::from(std::vector<int32_t>{0, 9, 1}, {3});
  const double first = ops::cross_entropy(logits, labels).loss.value().item();
  const double second = ops::cross_entropy(logits, other).loss.value().item();
  const double mixed =
      objective(logits, {.images = {}, .labels = labels, .other_labels = other, .lambda = 0.7f})
          .loss.value()
          .item();
  CHECK(mixed == Approx(0.7 * first + 0.3 * second));
}

TEST_CASE("a teacher that cannot stand beside the student is an error") {
  const TemporaryFolder folder;
  const auto file = folder / "teacher.safetensors";
  Model teacher = plain_model();
  teacher.network.set_normalisation({{0.5}, {0.25}});
  save_network(file, teacher.network);
  const ObjectiveOptions options{.distillation = {.teacher = file}};
  Model student = plain_model();
  CHECK_NOTHROW(Objective(options, student.network, Device::cpu));
  student.network.set_normalisation({{0.5}, {0.5}});
  CHECK_ERROR(
      Objective(options, student.network, Device::cpu),
      "the teacher expects pixels of mean 0.5 and standard deviation 0.25; the student of 0.5 and 0.5");
  layers::Network other("other", {28, 28, 3});
  other.add("flatten", "flatten");
  other.add("linear", "fc", {{"features", 10}});
  CHECK_ERROR(Objective(options, other, Device::cpu), "the teacher takes images (28, 28, 1) of 10 classes");
}

TEST_CASE("a training with every option goes on to the same bits after a stop") {
  const TemporaryFolder folder;
  Model teacher = plain_model(5);
  save_network(folder / "teacher.safetensors", teacher.network);
  auto data = synthetic(200, 30);
  data.validation = data.test;
  TrainOptions options{.epochs = 3,
                       .batch_size = 30,
                       .mixup = 0.4,
                       .accumulate = 2,
                       .weight_decay_layers = {{"fc1", 0.1}},
                       .ema_decay = 0.9,
                       .keep_best = true};
  options.objective = {.label_smoothing = 0.1, .distillation = {.teacher = folder / "teacher.safetensors"}};
  options.optimizer.clip_norm = 0.5;
  const auto stage = [&](StageContext& context) { train(context, options); };
  const auto make = [] { return small_model(); };
  StageRun whole(make(), data, folder / "whole");
  whole(stage);
  int pieces = 0;
  const auto run = run_in_pieces(make, data, folder / "pieces", 3, stage, pieces);
  CHECK(pieces > 3);
  for (const auto& path : {paths::checkpoint, paths::metrics, paths::best})
    CHECK((read_text(path(run->folder)) == read_text(path(whole.folder))));
  check_identical(run->model.network.state(), whole.model.network.state());
}

TEST_CASE("an evaluation counts labels among the five likeliest, the first of equals ahead") {
  // The image is its own logits, and the same for all.
  class Ranks final : public datasets::Dataset {
   public:
    int64_t size() const override { return 7; }
    Shape image_shape() const override { return {1, 1, 7}; }
    int classes() const override { return 7; }
    int32_t get(int64_t index, std::span<float> image) const override {
      std::ranges::copy(std::array{1.0f, 5.0f, 5.0f, 4.0f, 3.0f, 1.0f, 0.0f}, image.begin());
      return static_cast<int32_t>(index);
    }
  };
  layers::Network network("same", {1, 1, 7});
  network.add("flatten", "flatten");
  network.add("linear", "fc", {{"features", 7}, {"bias", false}});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  std::vector<float> identity(49);
  for (size_t i = 0; i < 7; ++i) identity[8 * i] = 1;
  network.parameter("fc.weight").variable.value().copy_from(Tensor::from(identity, {7, 7}));
  const Evaluation result = evaluate(network, std::make_shared<Ranks>(), Device::cpu, 3);
  CHECK(result.correct == 1);
  CHECK(result.correct_top5 == 5);  // 1, 2, 3, 4, 0
  CHECK(result.top5_accuracy() == Approx(5.0 / 7));
}

}  // namespace
}  // namespace espalier::test
