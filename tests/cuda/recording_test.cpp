#include <set>

#include "compression/stages.h"
#include "layers/models/resnet_cifar.h"
#include "pruning/stages.h"
#include "tests/cuda/emulated.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/pass_recorder.h"
#include "training/trainer.h"

namespace espalier::test {
namespace {

TEST_CASE("recorded work is done at each replay, with what its tensors hold then") {
  restart_emulation();
  Backend& backend = emulated_backend();
  Tensor x = random_tensor({5, 7}, 1, DType::float32, Device::cuda), y({7}, DType::float32, Device::cuda);
  y.fill(0);
  const auto recording = backend.record([&] {
    Tensor twice(x.shape(), DType::float32, Device::cuda);
    backend.axpby(2, x, 0, twice);
    backend.sum_rows(twice, y);
  });
  CHECK(y.to_vector<float>() == std::vector<float>(7, 0.0f));
  for (uint64_t seed : {1, 2}) {
    x.copy_from(random_tensor({5, 7}, seed, DType::float32, Device::cuda));
    recording->replay();
    Tensor twice = x.clone(), due = y.clone();
    backend.axpby(2, x, 0, twice);
    backend.sum_rows(twice, due);
    CHECK(identical(y, due));
  }
}

TEST_CASE("memory of recorded work serves nothing else until the recording goes") {
  restart_emulation();
  constexpr int64_t kSize = 10'000;
  const auto make = [] { return Tensor({kSize}, DType::float32, Device::cuda); };
  const void *freed = nullptr, *kept_until_later = nullptr;
  Tensor escaped;
  auto recording = emulated_backend().record([&] {
    Tensor first = make();
    freed = first.raw();
    escaped = make();
    kept_until_later = escaped.raw();
    first = {};
    CHECK(make().raw() == freed);  // within it serves again
  });
  const Tensor other = make();
  escaped = {};
  const Tensor another = make();
  for (const Tensor* tensor : {&other, &another}) {
    CHECK(tensor->raw() != freed);
    CHECK(tensor->raw() != kept_until_later);
  }
  recording.reset();
  const Tensor last = make(), last_but_one = make();
  CHECK(std::set<const void*>{last.raw(), last_but_one.raw()} ==
        std::set<const void*>{freed, kept_until_later});
}

TEST_CASE("work that needs the host is not recorded, and the backend goes on") {
  restart_emulation();
  Tensor x = random_tensor({3}, 1, DType::float32, Device::cuda);
  CHECK_ERROR(
      emulated_backend().record([&] { x.copy_from(random_tensor({3}, 2, DType::float32, Device::cpu)); }),
      "[copy_from_host] not while work is recorded");
  CHECK(cuda_emulator::take_faults().empty());
  CHECK_ERROR(emulated_backend().record([&] { x.to_vector<float>(); }),
              "(cudaErrorStreamCaptureUnsupported)");
  CHECK(cuda_emulator::take_faults().size() == 1);
  CHECK_ERROR(emulated_backend().record([] { fail("something else"); }), "something else");
  CHECK(cuda_emulator::take_faults().empty());
  const Tensor y = x.clone();
  CHECK(identical(y, random_tensor({3}, 1, DType::float32, Device::cpu)));
}

TEST_CASE(
    "a pass is recorded when it comes again, and called when anything that it was made for is another") {
  restart_emulation();
  int calls = 0;
  Variable weight(random_tensor({3, 2}, 1, DType::float32, Device::cuda), true);
  PassRecorder recorder(Device::cuda,
                        [&](const datasets::Batch& batch, double factor) {
                          ++calls;
                          const Variable logits = ops::linear(Variable(batch.images), weight, {});
                          auto [loss, correct] = ops::cross_entropy(logits, batch.labels);
                          const Tensor value = loss.value();
                          ops::scale(loss, factor).backward();
                          return PassRecorder::Result{value, correct};
                        },
                        {{.name = "weight", .shape = {3, 2}, .variable = weight}});
  const auto is_called = [&](int64_t images, double factor) {
    const int before = calls;
    const datasets::Batch batch{random_tensor({images, 2}, 2, DType::float32, Device::cuda),
                                random_integers({images}, 3, 0, 3, Device::cuda)};
    recorder.run(batch, factor);
    CHECK(weight.gradient().defined());
    weight.clear_gradient();
    return calls > before;
  };
  const auto check_recorded = [&](int64_t images, double factor) {
    CHECK(is_called(images, factor));
    CHECK(is_called(images, factor));  // while it is recorded
    CHECK_FALSE(is_called(images, factor));
    CHECK_FALSE(is_called(images, factor));
  };
  check_recorded(4, 1);
  check_recorded(5, 1);
  check_recorded(5, 2);
  weight.value() = weight.value().clone();
  check_recorded(5, 2);
  recorder.forget();
  check_recorded(5, 2);
}

struct Outcome {
  Tensors state;  // on the CPU
  std::vector<nlohmann::json> metrics;
  uint64_t launches;
};

// Two epochs of six batches of four images and one of two.
Outcome outcome_of(const std::function<Model()>& make, bool replay_steps, int64_t stride = -1) {
  restart_emulation();
  TrainOptions options{.epochs = 2, .batch_size = 4, .checkpoint_seconds = 1e9};
  options.optimizer = {.kind = "sgd", .momentum = 0.9};
  options.schedule.learning_rate = 0.01;
  const TemporaryFolder folder;
  int pieces = 0;
  const auto run = run_in_pieces(
      make, synthetic(26, 0), folder.path(), stride,
      [&](StageContext& context) {
        context.replay_steps = replay_steps;
        train(context, options);
      },
      pieces);
  return {on_cpu(run->model.network.state()), run->metric_lines(), cuda_emulator::launches()};
}

Model resnet() {
  layers::Network network = layers::resnet_cifar("resnet8", 8, layers::Shortcut::project,
                                                 {.stem = 2, .stages = {2, 3, 4}}, {.image = {28, 28, 1}});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cuda);
  return {std::move(network), {}, {}};
}

void check_same(const Outcome& actual, const Outcome& expected) {
  CHECK(actual.metrics == expected.metrics);
  check_identical(actual.state, expected.state);
}

TEST_CASE("a training whose steps are replayed comes to the same bits as one whose steps are not") {
  const Outcome replayed = outcome_of(resnet, true), called = outcome_of(resnet, false);
  check_same(replayed, called);
  CHECK(3 * replayed.launches < 2 * called.launches);
  check_same(outcome_of(resnet, true, 3), called);  // left after every third step
}

// Everything that a recording must not outlive, or go on with: channels, masks, codes, averages, loss scales.
Outcome after_stages(bool replay_steps, Precision precision) {
  restart_emulation();
  emulated_backend().set_precision(precision);
  const TemporaryFolder folder;
  StageRun run(small_model(1, 0, Device::cuda), synthetic(40, 0), folder.path());
  Outcome result;
  for (const auto& [name, make, options] :
       {std::tuple{"train", kTrainStage.make, "ema_decay = 0.5"},
        {"prune_greedily", pruning::kPruneGreedilyStage.make,
         "criterion = 'taylor'\ntarget = 'channels'\nreduction = 0.2\nevery = 3\nat_once = 2"},
        {"soft_prune", pruning::kSoftPruneStage.make, "criterion = 'l2'\nreduction = 0.2"},
        {"slim", pruning::kSlimStage.make, "penalty = 1e-3"},
        {"prune", pruning::kPruneStage.make,
         "layers = { fc1 = 0.3 }\ndensity_schedule = 'linear'\nrounds = 2\noptimizer = { kind = 'adam' }"},
        {"quantize", compression::kQuantizeStage.make, "bits = 3"}}) {
    run.folder = folder / name;
    std::filesystem::create_directories(run.folder);
    const Config config =
        Config::from_text(fmt::format("epochs = 2\nbatch_size = 8\nlearning_rate = 1e-3\n{}", options), name);
    const auto stage = make(config);
    config.finish();
    run([&](StageContext& context) {
      context.replay_steps = replay_steps;
      stage->run(context);
    });
    for (auto& line : run.metric_lines()) result.metrics.push_back(std::move(line));
  }
  result.launches = cuda_emulator::launches();
  result.state = on_cpu(run.model.network.state());
  return result;
}

TEST_CASE("stages that change the network leave the same bits with and without replays") {
  for (Precision precision : {Precision::float32, Precision::float16}) {
    const Outcome replayed = after_stages(true, precision), called = after_stages(false, precision);
    check_same(replayed, called);
    CHECK(replayed.launches < called.launches);
  }
  restart_emulation();
}

TEST_CASE("dropout draws anew at every step of a training whose steps could be replayed") {
  const auto make = [] { return small_model(1, 0.2, Device::cuda); };
  check_same(outcome_of(make, true), outcome_of(make, false));
}

}  // namespace
}  // namespace espalier::test
