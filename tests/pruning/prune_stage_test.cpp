#include <algorithm>

#include "pruning/mask.h"
#include "pruning/stages.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/shared_weights.h"

namespace espalier::test {
namespace {

std::function<void(StageContext&)> prune_stage(const std::string& toml) {
  return [toml](StageContext& context) {
    const Config config = Config::from_text(toml, "recipe");
    const auto stage = pruning::kPruneStage.make(config);
    config.finish();
    stage->run(context);
  };
}

int64_t kept(const StageRun& run, const std::string& name) {
  const auto keep = run.model.masks.at(name).to_vector<uint8_t>();
  return std::ranges::count(keep, 1);
}

// Every weight under a mask is exactly zero, and none but those.
void check_masks_hold(StageRun& run) {
  REQUIRE(run.model.masks.size() == 3);
  for (const auto& [name, mask] : run.model.masks) {
    INFO(name);
    const auto keep = mask.to_vector<uint8_t>();
    const auto values = run.model.network.parameter(name).variable.value().to_vector<float>();
    int64_t wrong = 0;
    for (size_t i = 0; i < keep.size(); ++i) wrong += (keep[i] != 0) != (values[i] != 0);
    CHECK(wrong == 0);
  }
}

// small_model() has 100, 24 * 256 and 240 weights.
constexpr int64_t kConv = 100, kFc1 = 24 * 256, kFc2 = 240;

TEST_CASE("a prune without retraining meets each layer's density and zeroes the weights") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(50, 10), folder.path());
  run(prune_stage("density = 0.25\nlayers = {conv = 0.9, fc2 = 0.5}"));
  CHECK(kept(run, "conv.weight") == 90);
  CHECK(kept(run, "fc1.weight") == kFc1 / 4);
  CHECK(kept(run, "fc2.weight") == kFc2 / 2);
  check_masks_hold(run);
  CHECK(run.metrics.at("density").at("conv.weight") == 0.9);
  CHECK(run.metrics.at("density").at("fc1.weight") == 0.25);
}

TEST_CASE("rounds that fall into one epoch still end at the density that was asked for") {
  for (const std::string rounds_end : {"0.5", "0.0", "1.0"}) {
    const TemporaryFolder folder;
    StageRun run(small_model(), synthetic(100, 10), folder.path());
    run(
        prune_stage("density = 0.1\nrounds = 10\ndensity_schedule = \"linear\"\nepochs = 4\nbatch_size = 50\n"
                    "learning_rate = 0.01\nrounds_end = " +
                    rounds_end));
    INFO("rounds_end " << rounds_end);
    CHECK(kept(run, "fc1.weight") == std::llround(0.1 * kFc1));
    check_masks_hold(run);
  }
}

TEST_CASE("a schedule sets out from the density that an earlier stage left") {
  const TemporaryFolder first, second;
  StageRun run(small_model(), synthetic(100, 10), first.path());
  run(prune_stage("density = 0.5"));
  StageRun again(std::move(run.model), synthetic(100, 10), second.path());
  // The first of two rounds goes half of the way from 0.5 to 0.1.
  again(
      prune_stage("density = 0.1\nrounds = 2\ndensity_schedule = \"linear\"\nepochs = 2\nrounds_end = "
                  "1.0\nbatch_size = 50\n"
                  "learning_rate = 0.01"));
  CHECK(kept(again, "fc1.weight") == std::llround(0.1 * kFc1));
  CHECK(std::ranges::any_of(again.lines,
                            [](const std::string& line) { return line.starts_with("round 1/2: 30.0"); }));
}

TEST_CASE("keys that would have no effect and a prune that prunes nothing are refused") {
  const auto make = [](const std::string& toml) {
    const Config config = Config::from_text(toml, "recipe");
    static_cast<void>(pruning::kPruneStage.make(config));
    config.finish();
  };
  CHECK_ERROR(make(""), "density");
  CHECK_ERROR(make("scope = \"quality\"\nquality = 1.0\ncriterion = \"random\""), "criterion");
  CHECK_ERROR(make("scope = \"global\"\ndensity = 0.5\nlayers = {fc1 = 0.1}"), "layers");
  CHECK_ERROR(make("density = 0.5\nrounds = 3\ndensity_schedule = \"linear\""), "epochs");
}

TEST_CASE("retraining holds the masks at the densities that were asked for") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(200, 10), folder.path());
  const Tensor before = run.model.network.parameter("fc1.weight").variable.value().clone();
  run(prune_stage("density = 0.1\nepochs = 2\nbatch_size = 50\nlearning_rate = 0.01"));
  CHECK(kept(run, "fc1.weight") == std::llround(0.1 * kFc1));
  check_masks_hold(run);
  CHECK_FALSE(identical(run.model.network.parameter("fc1.weight").variable.value(), before));
}

TEST_CASE("global scope meets the density over all layers") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(50, 10), folder.path());
  run(prune_stage("scope = \"global\"\ndensity = 0.2"));
  CHECK(kept(run, "conv.weight") + kept(run, "fc1.weight") + kept(run, "fc2.weight") ==
        std::llround(0.2 * (kConv + kFc1 + kFc2)));
  CHECK(kept(run, "conv.weight") > kConv / 5);  // its weights are larger: fewer inputs
  check_masks_hold(run);
}

TEST_CASE("quality scope keeps what lies above a share of the deviation") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(50, 10), folder.path());
  run(prune_stage("scope = \"quality\"\nquality = 1"));
  const double share = static_cast<double>(kept(run, "fc1.weight")) / static_cast<double>(kFc1);
  CHECK(std::abs(share - 0.3173) < 0.03);  // of a normal distribution, outside of one deviation
  check_masks_hold(run);
}

TEST_CASE("rounds walk down the schedule and the last epochs train the final mask") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(100, 10), folder.path());
  std::vector<int64_t> counts;
  run.on_line = [&](const std::string& text) {
    if (text.starts_with("round ")) counts.push_back(kept(run, "fc1.weight"));
  };
  run(prune_stage(R"(density = 0.1
                     rounds = 3
                     rounds_end = 0.5
                     density_schedule = "cubic"
                     epochs = 6
                     batch_size = 50
                     learning_rate = 0.01)"));
  std::vector<int64_t> due;
  for (int64_t round : {1, 2, 3})
    due.push_back(std::llround(pruning::density_at("cubic", 1.0, 0.1, round, 3) * static_cast<double>(kFc1)));
  CHECK(counts == due);
  CHECK(std::ranges::find_if(run.lines, [](const std::string& l) { return l.starts_with("round 3/3"); }) <
        std::ranges::find_if(run.lines, [](const std::string& l) { return l.starts_with("epoch 3/6"); }));
  check_masks_hold(run);
}

TEST_CASE("pruning again starts from the masks that there are") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(50, 10), folder.path());
  run(prune_stage("density = 0.5"));
  const auto first = run.model.masks.at("fc1.weight").to_vector<uint8_t>();
  run(prune_stage("density = 0.2\ncriterion = \"random\""));
  const auto second = run.model.masks.at("fc1.weight").to_vector<uint8_t>();
  for (size_t i = 0; i < first.size(); ++i) CHECK(second[i] <= first[i]);
  CHECK(kept(run, "fc1.weight") == std::llround(0.2 * kFc1));
}

TEST_CASE("pruning shared weights takes them out of their codebook") {
  const TemporaryFolder folder;
  Model model = small_model();
  const Shape shape = model.network.parameter("fc2.weight").shape;
  model.codebooks["fc2.weight"] = {.centroids = Tensor::from(std::vector<float>{-0.5f, 0.1f, 0.5f}, {3}),
                                   .codes = random_integers(shape, 1, 0, 3, Device::cpu)};
  { SharedWeights materialise(model); }
  for (const char* retrain : {"", "\nepochs = 1\nbatch_size = 50\nlearning_rate = 0.01"}) {
    StageRun run(
        {layers::Network::from_description(model.network.description(), "copy"), {}, model.codebooks},
        synthetic(100, 10), folder / std::string(*retrain ? "retrained" : "pruned"));
    run.model.network.load_state(model.network.state(), Device::cpu, "copy");
    run(prune_stage(std::string("density = 0.5") + retrain));
    check_masks_hold(run);
    const auto codes = run.model.codebooks.at("fc2.weight").codes.to_vector<int32_t>();
    const auto keep = run.model.masks.at("fc2.weight").to_vector<uint8_t>();
    for (size_t i = 0; i < codes.size(); ++i) CHECK((codes[i] < 0) == (keep[i] == 0));
    save_model(run.folder, run.model);
    CHECK_NOTHROW(load_model(run.folder, Device::cpu));
  }
}

TEST_CASE("a prune that is stopped anywhere and continued gives the same bits as one that is not") {
  const auto data = synthetic(200, 10);
  for (const char* scope :
       {"scope = \"quality\"\nquality = 0.4", "density = 0.1\ndensity_schedule = \"linear\"",
        "scope = \"global\"\ndensity = 0.1\ndensity_schedule = \"cubic\"\ncriterion = \"random\""}) {
    const auto stage =
        prune_stage(std::string(scope) + "\nrounds = 3\nepochs = 4\nbatch_size = 50\nlearning_rate = 0.02");
    const TemporaryFolder folder;
    StageRun whole(small_model(), data, folder / "whole");
    whole(stage);
    check_masks_hold(whole);
    for (int64_t stride : {1, 3, 4}) {
      INFO(scope << ", stopped every " << stride << " batches");
      int pieces = 0;
      const auto run = run_in_pieces([] { return small_model(); }, data, folder / std::to_string(stride),
                                     stride, stage, pieces);
      CHECK(pieces == (16 + stride - 1) / stride);
      CHECK((read_text(paths::checkpoint(run->folder)) == read_text(paths::checkpoint(whole.folder))));
      CHECK((read_text(paths::metrics(run->folder)) == read_text(paths::metrics(whole.folder))));
    }

    // Asked to stop between a round's pruning and its first batch.
    StageRun stopped(small_model(), data, folder / "round");
    stopped.on_line = [&](const std::string& text) {
      if (text.starts_with("round 2/3")) stopped.interrupted = true;
    };
    CHECK_THROWS_AS(stopped(stage), Interrupted);
    StageRun continued(small_model(), data, folder / "round");
    continued(stage);
    CHECK((read_text(paths::checkpoint(continued.folder)) == read_text(paths::checkpoint(whole.folder))));
  }
}

TEST_CASE("a recipe that cannot be pruned by is refused") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(50, 10), folder.path());
  const auto prune = [&](const std::string& toml) { run(prune_stage(toml)); };
  CHECK_ERROR(prune("layers = {conv9 = 0.5}"),
              "[prune] network 'small' has no weights in a layer named 'conv9'");
  CHECK_ERROR(prune("layers = {norm = 0.5}"), "no weights in a layer named 'norm'");
  CHECK_ERROR(prune("density = 1.5"), "density");
  CHECK_ERROR(prune("scope = \"global\""), "density");
  CHECK_ERROR(prune("scope = \"global\"\ndensity = 0.1\nlayers = {conv = 0.5}"), "layers is unknown");
  CHECK_ERROR(prune("scope = \"quality\""), "quality");
  CHECK_ERROR(prune("scope = \"quality\"\nquality = 1\ndensity = 0.5"), "density");
  CHECK_ERROR(prune("criterion = \"hessian\""), "hessian");
  CHECK_ERROR(prune("density = 0.1\nrounds = 3\ndensity_schedule = \"linear\"\nepochs = 0"),
              "expected epochs >= 1");
  CHECK_ERROR(prune("density = 0.1\nrounds = 3\nepochs = 3"), "one_shot schedule");
  CHECK_ERROR(prune("density = 0.1\ndensty = 0.1"), "densty");
  CHECK(run.model.masks.empty());
}

}  // namespace
}  // namespace espalier::test
