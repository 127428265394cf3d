#include "apps/pipeline.h"

#include "core/io/file.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

// Deep Compression on a few images.
constexpr std::string_view kRecipe = R"(
seed = 7
[data]
name = "synthetic"
limit = 96
[model]
name = "lenet_300_100"
[[stage]]
type = "train"
epochs = 3
batch_size = 16
learning_rate = 0.02
[[stage]]
type = "prune"
layers = { fc1 = 0.1, fc2 = 0.2, fc3 = 0.5 }
density_schedule = "cubic"
rounds = 2
epochs = 2
batch_size = 32
learning_rate = 1e-3
optimizer = { kind = "adam" }
[[stage]]
type = "quantize"
bits = 4
epochs = 1
batch_size = 32
learning_rate = 1e-4
[[stage]]
type = "encode"
)";

nlohmann::json stages_on(Device device) {
  const TemporaryFolder folder;
  write_file(folder.path() / "recipe.toml", kRecipe);
  const std::atomic<bool> interrupted = false;
  return apps::run({.recipe = folder.path() / "recipe.toml", .out = folder.path() / "run", .device = device},
                   interrupted)
      .at("stages");
}

TEST_CASE("a recipe runs on the device from training to the compressed file as it does on the CPU") {
  const nlohmann::json expected = stages_on(Device::cpu), actual = stages_on(tested_device());
  REQUIRE(actual.size() == 4);
  for (size_t stage = 0; stage < 4; ++stage) {
    INFO("stage " << stage + 1);
    CHECK(actual[stage].at("nonzeros") == expected[stage].at("nonzeros"));
    CHECK(actual[stage].at("accuracy").get<double>() ==
          Approx(expected[stage].at("accuracy").get<double>()).margin(0.05));
  }
}

}  // namespace
}  // namespace espalier::test
