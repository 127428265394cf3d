#include "core/optim/optimizer.h"
#include "layers/models.h"
#include "tests/cuda/emulated.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/trainer.h"

namespace espalier::test {
namespace {

// One training step of a network with convolution, batch norm, dropout, linear layers and a mask.
void one_step(const std::filesystem::path& folder) {
  Model model = small_model();
  const Shape shape = model.network.parameter("fc1.weight").shape;
  std::map<std::string, Tensor> state = model.network.state();
  model.network.load_state(state, Device::cuda, "test");
  model.masks["fc1.weight"] = random_mask(shape, 3, 0.5, Device::cuda);
  StageRun run(std::move(model), synthetic(4, 0), folder);
  TrainOptions options{.epochs = 1, .batch_size = 4};
  options.optimizer = {.kind = "sgd", .momentum = 0.9};
  run([&](StageContext& context) { train(context, options); });
}

// Lets the calls that `fail` plans fail, from building the backend to the end of the step, until it plans one
// that is not made. Returns how many were.
template <typename Fail>
int fail_each_in_turn(const char* function, Fail fail) {
  for (int nth = 1;; ++nth) {
    const TemporaryFolder folder;
    restart_emulation();
    fail(nth);
    bool failed = false;
    try {
      one_step(folder.path());
    } catch (const Error&) {
      failed = true;
    }
    const auto made = static_cast<int>(function == nullptr ? cuda_emulator::call_count()
                                                           : cuda_emulator::call_count(function));
    cuda_emulator::clear_fault_plan();
    end_emulated_backend();
    INFO("call " << nth << " of " << made);
    REQUIRE(cuda_emulator::to_string(cuda_emulator::live()) == "nothing");
    REQUIRE(cuda_emulator::take_faults() == std::vector<std::string>{});
    REQUIRE(failed == (nth <= made));
    if (!failed) return made;
  }
}

TEST_CASE("out of memory at any allocation of a training step is an error that leaks nothing") {
  const auto twice = [](int nth) {  // the backend gives back what it keeps and tries again
    cuda_emulator::fail_allocation(nth);
    cuda_emulator::fail_allocation(nth + 1);
  };
  CHECK(fail_each_in_turn("cudaMalloc", twice) > 20);
}

TEST_CASE("a failure of any library call of a training step is an error that leaks nothing") {
  CHECK(fail_each_in_turn(nullptr, cuda_emulator::fail_any_call) > 100);
}

TEST_CASE("memory that is short for a moment is found by giving back what is kept") {
  const TemporaryFolder folder;
  restart_emulation();
  cuda_emulator::fail_allocation(20);
  CHECK_NOTHROW(one_step(folder.path()));
}

}  // namespace
}  // namespace espalier::test
