#include "core/optim/optimizer.h"
#include "layers/models.h"
#include "tests/cuda/emulated.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/trainer.h"

namespace espalier::test {
namespace {

constexpr double kDropout = 0.2;

// Trains a network with convolution, batch norm, dropout, linear layers and a mask on batches of four images,
// writing a checkpoint after every step; continues where one stands in the folder. Without dropout the second
// step is recorded and replayed from then on. Returns the parameters and statistics, on the CPU.
Tensors train_in(const std::filesystem::path& folder, int64_t steps, double dropout) {
  Model model = small_model(1, dropout, Device::cuda);
  const Shape shape = model.network.parameter("fc1.weight").shape;
  model.masks["fc1.weight"] = random_mask(shape, 3, 0.5, Device::cuda);
  StageRun run(std::move(model), synthetic(4 * steps, 0), folder);
  TrainOptions options{.epochs = 1, .batch_size = 4, .checkpoint_seconds = 0};
  options.optimizer = {.kind = "sgd", .momentum = 0.9};
  run([&](StageContext& context) { train(context, options); });
  return on_cpu(run.model.network.state());
}

// Trains on a new machine with the failures that `plan` plans. Nothing when they ended the training, which
// then has left nothing on the device, nor a fault. `calls` becomes the calls that were made.
std::optional<Tensors> train_failing(const std::filesystem::path& folder, int64_t steps,
                                     const std::function<void()>& plan, const char* function = nullptr,
                                     int* calls = nullptr, double dropout = kDropout) {
  restart_emulation();
  plan();
  std::optional<Tensors> result;
  try {
    result = train_in(folder, steps, dropout);
  } catch (const Error&) {
  }
  if (calls != nullptr)
    *calls = static_cast<int>(function == nullptr ? cuda_emulator::call_count()
                                                  : cuda_emulator::call_count(function));
  cuda_emulator::clear_fault_plan();
  end_emulated_backend();
  REQUIRE(cuda_emulator::to_string(cuda_emulator::live()) == "nothing");
  REQUIRE(cuda_emulator::take_faults() == std::vector<std::string>{});
  return result;
}

void fail_any_call(int nth) {
  cuda_emulator::fail_any_call(nth);
}

// Twice: the backend gives back what it keeps and tries again.
void fail_allocation(int nth) {
  cuda_emulator::fail_allocation(nth);
  cuda_emulator::fail_allocation(nth + 1);
}

// Lets each call of a training step fail that `fail` can plan, from building the backend to the end of the
// step, until it plans one that is not made. Returns how many were.
int fail_each_in_turn(const char* function, void (*fail)(int nth)) {
  for (int nth = 1;; ++nth) {
    const TemporaryFolder folder;
    int made = 0;
    const bool failed = !train_failing(
                             folder.path(), 1, [&] { fail(nth); }, function, &made)
                             .has_value();
    INFO("call " << nth << " of " << made);
    REQUIRE(failed == (nth <= made));
    if (!failed) return made;
  }
}

constexpr int64_t kSteps = 4;

Tensors undisturbed(const char* function, int& calls, double dropout = kDropout) {
  const TemporaryFolder folder;
  return train_failing(
             folder.path(), kSteps, [] {}, function, &calls, dropout)
      .value();
}

// One failure per training, at every `stride`th call, and then on from its checkpoint without any.
void check_resumes(const char* function, void (*fail)(int nth), int stride, double dropout = kDropout) {
  int calls = 0, from_checkpoints = 0;
  const Tensors expected = undisturbed(function, calls, dropout);
  for (int nth = 1; nth <= calls; nth += stride) {
    INFO("call " << nth << " of " << calls);
    const TemporaryFolder folder;
    const auto train = [&](const std::function<void()>& plan) {
      return train_failing(folder.path(), kSteps, plan, nullptr, nullptr, dropout);
    };
    REQUIRE_FALSE(train([&] { fail(nth); }).has_value());
    from_checkpoints += std::filesystem::exists(paths::checkpoint(folder.path()));
    check_identical(train([] {}).value(), expected);
  }
  CHECK(from_checkpoints > 0);
}

TEST_CASE("out of memory at any allocation of a training step is an error that leaks nothing") {
  CHECK(fail_each_in_turn("cudaMalloc", fail_allocation) > 20);
}

TEST_CASE("a failure of any library call of a training step is an error that leaks nothing") {
  CHECK(fail_each_in_turn(nullptr, fail_any_call) > 100);
}

TEST_CASE("a training that ran out of memory resumes from its checkpoint to the same bits") {
  check_resumes("cudaMalloc", fail_allocation, 5);
}

TEST_CASE("a training in which a library call failed resumes from its checkpoint to the same bits") {
  check_resumes(nullptr, fail_any_call, 97);
}

TEST_CASE("a training whose recording or replay failed resumes from its checkpoint to the same bits") {
  check_resumes("cudaMalloc", fail_allocation, 7, 0);
  check_resumes(nullptr, fail_any_call, 61, 0);
}

TEST_CASE("a failure of any call about graphs is an error that leaks nothing") {
  for (const char* function : {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaStreamIsCapturing",
                               "cudaGraphInstantiateWithFlags", "cudaGraphLaunch"}) {
    INFO(function);
    const TemporaryFolder folder;
    int calls = 0;
    CHECK_FALSE(train_failing(
                    folder.path(), kSteps, [&] { cuda_emulator::fail_call(function, 1, cudaErrorUnknown); },
                    function, &calls, 0)
                    .has_value());
    CHECK(calls > 0);
  }
}

TEST_CASE("a training that fails again and again comes from checkpoint to checkpoint to the same bits") {
  int calls = 0;
  const Tensors expected = undisturbed(nullptr, calls);
  const TemporaryFolder folder;
  int runs = 1;
  std::optional<Tensors> result;
  while (!(result = train_failing(folder.path(), kSteps, [&] { fail_any_call(2 * calls / 3); })).has_value())
    REQUIRE(++runs <= kSteps);
  CHECK(runs > 2);
  check_identical(*result, expected);
}

TEST_CASE("memory that is short for a moment is found by giving back what is kept") {
  const TemporaryFolder folder;
  restart_emulation();
  cuda_emulator::fail_allocation(20);
  CHECK_NOTHROW(train_in(folder.path(), 1, kDropout));
}

}  // namespace
}  // namespace espalier::test
