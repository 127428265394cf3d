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

// Lets every call in turn fail, from building the backend to the end of the step.
template <typename Fail>
int fail_each_in_turn(Fail fail) {
  for (int nth = 1;; ++nth) {
    const TemporaryFolder folder;
    cuda_emulator::reset();
    fail(nth);
    bool failed = false;
    try {
      one_step(folder.path());
    } catch (const Error&) {
      failed = true;
    }
    cuda_emulator::clear_fault_plan();
    INFO("call " << nth);
    end_emulated_backend();
    REQUIRE(cuda_emulator::live() == cuda_emulator::Live{});
    for (const std::string& fault : cuda_emulator::take_faults()) FAIL_CHECK(fault);
    if (!failed) return nth - 1;
  }
}

TEST_CASE("out of memory at any allocation of a training step is an error that leaks nothing") {
  CHECK(fail_each_in_turn([](int nth) { cuda_emulator::fail_allocation(nth); }) > 20);
}

TEST_CASE("a failure of any library call of a training step is an error that leaks nothing") {
  CHECK(fail_each_in_turn([](int nth) { cuda_emulator::fail_any_call(nth); }) > 100);
}

}  // namespace
}  // namespace espalier::test
