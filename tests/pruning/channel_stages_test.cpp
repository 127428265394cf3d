#include <algorithm>
#include <cmath>

#include "core/io/safetensors.h"
#include "layers/models.h"
#include "pruning/channel_graph.h"
#include "pruning/stages.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/evaluate.h"

namespace espalier::test {
namespace {

using nlohmann::json;

using Maker = std::unique_ptr<Stage> (*)(const Config&);

std::unique_ptr<Stage> made(Maker make, const std::string& toml) {
  const Config config = Config::from_text(toml, "recipe");
  auto stage = make(config);
  config.finish();
  return stage;
}

std::function<void(StageContext&)> stage(Maker make, const std::string& toml) {
  return [=](StageContext& context) {
    const auto stage = made(make, toml);
    stage->check(context.model.network, context.data);
    stage->run(context);
  };
}

// A residual block between convolutions, with batch norms, a codebook's worth of layers and a dropout.
Model residual_model(uint64_t seed = 1) {
  layers::Network network("residual", {28, 28, 1});
  network.add("conv2d", "stem", {{"channels", 8}, {"kernel", 5}, {"stride", 4}, {"bias", false}});
  network.add("batch_norm", "stem_norm");
  network.add("relu", "stem_relu");
  network.add("conv2d", "inner", {{"channels", 12}, {"kernel", 3}, {"padding", 1}, {"bias", false}});
  network.add("batch_norm", "inner_norm");
  network.add("relu", "inner_relu");
  network.add("conv2d", "outer", {{"channels", 8}, {"kernel", 3}, {"padding", 1}});
  network.add("add", "sum", json::object(), {"outer", "stem_relu"});
  network.add("relu", "relu");
  network.add("global_average_pool2d", "pool");
  network.add("dropout", "dropout", {{"probability", 0.1}});
  network.add("linear", "fc", {{"features", 10}});
  network.initialise(layers::Initialiser::kaiming_normal, seed, Device::cpu);
  return {std::move(network), {}, {}};
}

int channels(const layers::Network& network, const std::string& group) {
  const pruning::ChannelGraph graph(network);
  return graph.groups()[static_cast<size_t>(graph.group(group))].channels;
}

std::string bits(StageRun& run) {
  const auto path = run.folder / "bits.safetensors";
  TensorFile file;
  for (const auto& [name, tensor] : run.model.network.state()) file.tensors[name] = tensor.clone();
  for (const auto& [name, mask] : run.model.masks) file.tensors["mask/" + name] = mask.clone();
  file.metadata["network"] = run.model.network.description();
  write_safetensors(path, file);
  return read_text(path);
}

const std::string kTrain = "batch_size = 50\nlearning_rate = 0.02\n";

struct Case {
  const char* name;
  Maker make;
  std::string toml;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"prune_channels", pruning::kPruneChannelsStage.make,
       "reduction = 0.5\nrounds = 2\nrounds_end = 1.0\nepochs = 4\nema_decay = 0.9\n" + kTrain},
      {"soft_prune", pruning::kSoftPruneStage.make,
       "criterion = \"geometric_median\"\nreduction = 0.5\nepochs = 3\nshifts = \"keep\"\n" + kTrain},
      {"soft_prune that holds", pruning::kSoftPruneStage.make,
       "reduction = 0.25\nepochs = 3\nhold = true\n" + kTrain},
      {"prune_greedily", pruning::kPruneGreedilyStage.make,
       "target = \"flops\"\nreduction = 0.4\nevery = 2\nat_once = 2\nsamples = 64\nepochs = 4\n" + kTrain},
      {"prune_by_lasso", pruning::kPruneByLassoStage.make,
       "reduction = 0.5\nimages = 60\npositions = 4\nepochs = 2\n" + kTrain},
      {"slim", pruning::kSlimStage.make, "penalty = 0.01\ninitial_scale = 0.5\nepochs = 2\n" + kTrain},
  };
  return kCases;
}

TEST_CASE("a stage of structured pruning stopped after every step ends with the same bits") {
  for (const Case& given : cases()) {
    INFO(given.name);
    const TemporaryFolder folder;
    const auto run = stage(given.make, given.toml + "checkpoint_seconds = 0\n");
    StageRun whole(residual_model(), synthetic(200, 20), folder / "whole");
    whole(run);
    int pieces = 0;
    const auto pieced =
        run_in_pieces([] { return residual_model(); }, synthetic(200, 20), folder / "pieces", 1, run, pieces);
    CHECK(pieces >= 8);
    CHECK(bits(*pieced) == bits(whole));
    CHECK(pieced->metrics == whole.metrics);
    CHECK(pieced->file(paths::metrics(pieced->folder)) == whole.file(paths::metrics(whole.folder)));
  }
}

TEST_CASE("a one-shot prune without epochs takes the share of channels and trains nothing") {
  const TemporaryFolder folder;
  StageRun run(residual_model(), synthetic(50, 10), folder.path());
  run(stage(pruning::kPruneChannelsStage.make, "reduction = 0.5\n"));
  CHECK(channels(run.model.network, "stem") == 4);
  CHECK(channels(run.model.network, "inner") == 6);
  CHECK(run.metrics.at("pruned").at("channels") == json{{"stem", {8, 4}}, {"inner", {12, 6}}});
  const double flops = run.metrics.at("pruned").at("flops_reduction");
  CHECK(flops == Approx(1 - static_cast<double>(run.model.network.flops()) /
                                static_cast<double>(residual_model().network.flops())));
  CHECK(run.metrics.at("pruned").at("parameter_reduction").get<double>() > 0.5);
}

TEST_CASE("a target that cannot be met is pruned towards, and the log says what is missing") {
  const TemporaryFolder folder;
  const auto run_with = [&](const std::string& target, const StageRow& row, const std::string& options) {
    StageRun run(residual_model(), synthetic(50, 10), folder.path() / target);
    run(stage(row.make, "target = \"" + target + "\"\nreduction = 0.999\n" + options));
    CHECK(run.metrics.at("pruned").at("flops_reduction") > 0.5);
    return std::ranges::count_if(run.lines, [&](const std::string& line) {
      return line.starts_with("no more than ") &&
             line.ends_with(" % of the " + target + " can go, short of 99.9 %");
    });
  };
  CHECK(run_with("flops", pruning::kPruneChannelsStage, "") == 1);
  CHECK(run_with("parameters", pruning::kSoftPruneStage, "epochs = 1\n" + kTrain) == 1);
}

TEST_CASE("rounds take channels little by little and the last trains what is left") {
  const TemporaryFolder folder;
  StageRun run(residual_model(), synthetic(100, 10), folder.path());
  run(stage(pruning::kPruneChannelsStage.make,
            "reduction = 0.5\nrounds = 2\nrounds_end = 0.5\nepochs = 4\n" + kTrain));
  CHECK(channels(run.model.network, "inner") == 6);
  const auto pruned = [](const std::string& line) {
    return line.find("channels pruned") != std::string::npos;
  };
  CHECK(std::ranges::count_if(run.lines, pruned) == 2);
}

TEST_CASE("masks, momentum and averages follow the channels that stay") {
  const TemporaryFolder folder;
  Model model = residual_model();
  const Shape shape = model.network.parameter("inner.weight").shape;
  model.masks["inner.weight"] = random_mask(shape, 1, 0.5, Device::cpu);
  StageRun run(std::move(model), synthetic(100, 10), folder.path());
  run(stage(pruning::kPruneChannelsStage.make, "reduction = 0.5\nepochs = 2\nema_decay = 0.5\n" + kTrain));
  const auto mask = run.model.masks.at("inner.weight").to_vector<uint8_t>();
  const auto weight = run.model.network.parameter("inner.weight").variable.value().to_vector<float>();
  REQUIRE(mask.size() == weight.size());
  REQUIRE(mask.size() == static_cast<size_t>(shape.numel() / 4));
  for (size_t i = 0; i < mask.size(); ++i) CHECK((mask[i] != 0) == (weight[i] != 0));
}

TEST_CASE("averages go on where what channels held is folded into a bias that there was not") {
  layers::Network network("folding", {28, 28, 1});
  network.add("conv2d", "first", {{"channels", 6}, {"kernel", 5}, {"stride", 4}, {"bias", false}});
  network.add("batch_norm", "norm");
  network.add("relu", "relu");
  network.add("conv2d", "second", {{"channels", 4}, {"kernel", 1}, {"bias", false}});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 10}});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  network.parameter("norm.bias").variable.value().copy_from(Tensor::full({6}, 1.0f));
  const TemporaryFolder folder;
  StageRun run({std::move(network), {}, {}}, synthetic(100, 10), folder.path());
  run(stage(pruning::kPruneChannelsStage.make,
            "reduction = 0.5\nrounds = 2\nshifts = \"keep\"\nepochs = 4\nema_decay = 0.9\n" + kTrain));
  CHECK(channels(run.model.network, "first") == 3);
  CHECK(run.model.network.parameter("second.bias").variable.value().to_vector<float>() !=
        std::vector<float>(4));
}

TEST_CASE("softly pruned filters are zero at the beginning of an epoch, train on, and go in the end") {
  const TemporaryFolder folder;
  StageRun run(residual_model(), synthetic(100, 10), folder.path());
  std::vector<int64_t> zero_filters;  // of inner after each batch
  const auto count = [&] {
    const auto weight = run.model.network.parameter("inner.weight").variable.value().to_vector<float>();
    const size_t size = weight.size() / 12;
    int64_t zero = 0;
    for (size_t filter = 0; filter < weight.size() && weight.size() == 12 * 9 * 8; filter += size)
      zero += std::all_of(weight.begin() + static_cast<std::ptrdiff_t>(filter),
                          weight.begin() + static_cast<std::ptrdiff_t>(filter + size),
                          [](float w) { return w == 0; });
    return zero;
  };
  struct Watching final : Reporter {
    StageRun& run;
    std::function<void()> look;
    Watching(StageRun& of, std::function<void()> what) : run(of), look(std::move(what)) {}
    void line(const std::string& text) override { run.line(text); }
    bool wants_progress() override { return true; }
    void progress(const Progress&) override { look(); }
  } watching(run, [&] { zero_filters.push_back(count()); });
  StageContext context{.model = run.model,
                       .data = run.data,
                       .seed = 7,
                       .number = 2,
                       .folder = run.folder,
                       .reporter = watching,
                       .interrupted = run.interrupted};
  // With a learning rate of 0 what is zeroed stays so.
  stage(pruning::kSoftPruneStage.make,
        "reduction = 0.25\nepochs = 2\nbatch_size = 50\nlearning_rate = 0.0\n")(context);
  CHECK(zero_filters == std::vector<int64_t>{3, 3, 3, 3});
  CHECK(channels(run.model.network, "inner") == 9);
  // With another the gradient brings them back, since their batch norm passes it on.
  const TemporaryFolder second;
  StageRun again(residual_model(), synthetic(100, 10), second.path());
  again(stage(pruning::kSoftPruneStage.make, "reduction = 0.25\nepochs = 2\n" + kTrain));
  CHECK(channels(again.model.network, "inner") == 9);
}

TEST_CASE("filters that are held stay zero until the next choice, and masks from before the stage for good") {
  const TemporaryFolder folder;
  Model model = residual_model();
  const Shape shape = model.network.parameter("inner.weight").shape;
  model.masks["inner.weight"] = random_mask(shape, 1, 0.5, Device::cpu);
  StageRun run(std::move(model), synthetic(100, 10), folder.path());
  run.stop_after = 3;  // of four batches
  const auto soft =
      stage(pruning::kSoftPruneStage.make, "reduction = 0.25\nepochs = 2\nhold = true\n" + kTrain);
  CHECK_ERROR(run(soft), "interrupted");
  // In the second epoch, before the filters go: of 12, 3 are zero.
  const auto weight = run.model.network.parameter("inner.weight").variable.value().to_vector<float>();
  const auto held = run.model.masks.at("inner.weight").to_vector<uint8_t>();
  REQUIRE(weight.size() == 12 * 72);
  int zero = 0;
  for (size_t filter = 0; filter < 12; ++filter)
    zero += std::all_of(weight.begin() + static_cast<std::ptrdiff_t>(filter * 72),
                        weight.begin() + static_cast<std::ptrdiff_t>(filter * 72 + 72),
                        [](float w) { return w == 0; });
  CHECK(zero == 3);
  for (size_t i = 0; i < held.size(); ++i) CHECK((held[i] != 0) == (weight[i] != 0));

  const TemporaryFolder second;
  Model again = residual_model();
  again.masks["inner.weight"] = random_mask(shape, 1, 0.5, Device::cpu);
  StageRun whole(std::move(again), synthetic(100, 10), second.path());
  whole(soft);
  CHECK(channels(whole.model.network, "inner") == 9);
  CHECK(whole.model.masks.size() == 1);
  const auto kept = whole.model.masks.at("inner.weight").to_vector<uint8_t>();
  CHECK(kept.size() == 9 * 54);
  CHECK(std::ranges::count(kept, 1) > 9 * 54 / 3);
}

TEST_CASE("slimming adds penalty times sign(γ) to the gradient, the sum's with accumulation too") {
  const auto scale_after = [](double penalty, int accumulate) {
    const TemporaryFolder folder;
    StageRun run(residual_model(), synthetic(100, 10), folder.path());
    Tensor scale = run.model.network.parameter("inner_norm.weight").variable.value();
    std::vector<float> values(12);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i == 0 ? 0.0f : i % 2 == 0 ? 0.7f : -0.7f;
    scale.copy_from(Tensor::from(values, {12}));
    run(stage(pruning::kSlimStage.make,
              fmt::format("penalty = {}\nepochs = 1\nbatch_size = {}\naccumulate = {}\nlearning_rate = 0.1\n"
                          "optimizer = {{momentum = 0.0, weight_decay = 0.0}}\n",
                          penalty, 100 / accumulate, accumulate)));
    return run.model.network.parameter("inner_norm.weight").variable.value().to_vector<float>();
  };
  for (int accumulate : {1, 2}) {
    INFO("accumulate " << accumulate);
    // One step: it differs by learning rate times penalty.
    const auto without = scale_after(0, accumulate), with = scale_after(0.5, accumulate);
    for (size_t i = 0; i < with.size(); ++i) {
      const float sign = i == 0 ? 0.0f : i % 2 == 0 ? 1.0f : -1.0f;
      CHECK(with[i] == Approx(without[i] - 0.1f * 0.5f * sign).margin(1e-5));
    }
  }
}

TEST_CASE("slimming and a global prune by the scales take the channels whose scales went to zero") {
  const TemporaryFolder folder;
  StageRun run(residual_model(), synthetic(50, 10), folder.path());
  Tensor scale = run.model.network.parameter("inner_norm.weight").variable.value();
  std::vector<float> values(12, 1.0f);
  for (size_t i : {1U, 4U, 5U}) values[i] = 1e-6f;
  scale.copy_from(Tensor::from(values, {12}));
  const auto before = run.model.network.parameter("outer.weight").variable.value().to_vector<float>();
  run(stage(pruning::kPruneChannelsStage.make,
            "criterion = \"batch_norm_scale\"\nscope = \"global\"\nreduction = 0.15\nshifts = \"keep\"\n"));
  CHECK(channels(run.model.network, "inner") == 9);
  CHECK(channels(run.model.network, "stem") == 8);
  const auto after = run.model.network.parameter("outer.weight").variable.value().to_vector<float>();
  CHECK(after[0] == before[0]);
  CHECK(after[1] == before[2]);  // reads channel 2 now
}

TEST_CASE("greedy pruning takes so many channels every so many steps until the target is met") {
  const TemporaryFolder folder;
  StageRun run(residual_model(), synthetic(200, 10), folder.path());
  run(stage(pruning::kPruneGreedilyStage.make,
            "reduction = 0.25\nevery = 3\nat_once = 2\nsamples = 50\nepochs = 5\n" + kTrain));
  // 20 candidates: five are to go, in three times two channels after 3, 6 and 9 of 20 steps.
  CHECK(channels(run.model.network, "stem") + channels(run.model.network, "inner") == 14);
  CHECK(run.metrics.at("pruned").at("target_met") == true);

  const TemporaryFolder second;
  StageRun early(residual_model(), synthetic(200, 10), second.path());
  early(stage(pruning::kPruneGreedilyStage.make,
              "reduction = 0.5\nevery = 3\nsamples = 50\nepochs = 1\n" + kTrain));
  CHECK(early.metrics.at("pruned").at("target_met") == false);
  CHECK(channels(early.model.network, "stem") + channels(early.model.network, "inner") == 19);
  const auto says = [](const StageRun& stopped, const std::string& text) {
    return std::ranges::any_of(stopped.lines,
                               [&](const std::string& line) { return line.find(text) != std::string::npos; });
  };
  CHECK(says(early, "the training ended before the target was met"));

  const TemporaryFolder third;
  StageRun all(residual_model(), synthetic(200, 10), third.path());
  all(stage(pruning::kPruneGreedilyStage.make,
            "reduction = 0.999\nevery = 1\nat_once = 10\nsamples = 50\nepochs = 1\n" + kTrain));
  CHECK(channels(all.model.network, "stem") + channels(all.model.network, "inner") == 2);
  CHECK(says(all, "no channel is left that may go"));
}

TEST_CASE("weights that centroids make are not pruned softly, which is said before they are trained") {
  const TemporaryFolder folder;
  Model model = residual_model();
  const Shape shape = model.network.parameter("inner.weight").shape;
  model.codebooks["inner.weight"] = {Tensor::zeros({1}), Tensor::zeros(shape, DType::int32)};
  StageRun run(std::move(model), synthetic(50, 10), folder.path());
  CHECK_ERROR(run(stage(pruning::kSoftPruneStage.make, "reduction = 0.25\nepochs = 1\n" + kTrain)),
              "'inner.weight' is made of its codebook's centroids");
}

TEST_CASE("pruning by LASSO leaves sums of branches whole and keeps more of the answer than the norm does") {
  const auto accuracy_lost = [](Maker make, const std::string& toml) {
    const TemporaryFolder folder;
    StageRun run(residual_model(), synthetic(400, 200), folder.path());
    run(stage(pruning::kSlimStage.make, "penalty = 0.0\nepochs = 6\n" + kTrain));
    const double before = evaluate(run.model.network, run.data.test, Device::cpu).loss;
    std::filesystem::remove(paths::checkpoint(run.folder));
    run(stage(make, toml));
    CHECK(channels(run.model.network, "stem") == 8);
    CHECK(channels(run.model.network, "inner") == 4);
    return evaluate(run.model.network, run.data.test, Device::cpu).loss - before;
  };
  CHECK(accuracy_lost(pruning::kPruneByLassoStage.make, "layers = {inner = 0.67}\nimages = 300\n") <
        accuracy_lost(pruning::kPruneChannelsStage.make, "layers = {inner = 0.67}\n"));
}

TEST_CASE("layers that a mask holds are not reconstructed, which is said before anything is changed") {
  const TemporaryFolder folder;
  StageRun run(residual_model(), synthetic(50, 10), folder.path());
  const auto before = run.model.network.parameter("outer.weight").variable.value().to_vector<float>();
  run.model.masks["outer.weight"] =
      Tensor::full(run.model.network.parameter("outer.weight").variable.value().shape(), 1, DType::uint8);
  CHECK_ERROR(run(stage(pruning::kPruneByLassoStage.make, "reduction = 0.5\nimages = 20\n")),
              "'outer.weight' is held by a mask");
  CHECK(run.model.network.parameter("outer.weight").variable.value().to_vector<float>() == before);
  CHECK(channels(run.model.network, "inner") == 12);
}

TEST_CASE("ranking criteria changes nothing and finds the oracle's own approximation close to it") {
  const TemporaryFolder folder;
  StageRun run(residual_model(), synthetic(400, 10), folder.path());
  run(stage(kTrainStage.make, "epochs = 4\n" + kTrain));
  const std::string before = bits(run);
  const auto rank = stage(pruning::kRankCriteriaStage.make, "samples = 100\n");
  run(rank);
  CHECK(bits(run) == before);
  const json oracle = run.metrics.at("oracle");
  CHECK(oracle.at("images") == 100);
  CHECK(oracle.at("candidates") == 20);
  std::map<std::string, json> found;
  for (const json& row : oracle.at("correlations")) found[row.at("criterion")] = row;
  CHECK_FALSE(found.contains("oracle"));
  CHECK(found.at("taylor").at("groups") == 2);
  CHECK(found.at("taylor").at("by_group") > found.at("random").at("by_group"));
  // Taylor's scores are rescaled as it is.
  CHECK(found.at("taylor").at("all_groups").get<double>() ==
        Approx(found.at("taylor").at("all_groups_rescaled").get<double>()).margin(0.01));

  run.interrupted = true;
  CHECK_THROWS_AS(run(rank), Interrupted);
}

TEST_CASE("criteria that score nothing, the oracle and unknown ones cannot be ranked") {
  const auto rank = pruning::kRankCriteriaStage.make;
  CHECK_ERROR(made(rank, "criteria = [\"l3\"]"), "l3");
  CHECK_ERROR(made(rank, "criteria = [\"l1\", \"oracle\"]"), "expected them alone");
  layers::Network plain("plain", {28, 28, 1});
  plain.add("flatten", "flatten");
  plain.add("linear", "fc1", {{"features", 5}});
  plain.add("linear", "fc2", {{"features", 10}});
  CHECK_ERROR(made(rank, "criteria = [\"batch_norm_scale\"]")->check(plain, synthetic(50, 10)),
              "'batch_norm_scale' scores no channel of 'plain'");
}

TEST_CASE("keys that would have no effect and stages that do not fit their network are refused") {
  const auto prune = pruning::kPruneChannelsStage.make;
  CHECK_ERROR(made(prune, "criterion = \"l3\"\nreduction = 0.5"), "l3");
  CHECK_ERROR(made(prune, "reduction = 0.5\nrounds = 2"), "epochs");
  CHECK_ERROR(made(prune, "reduction = 0.5\nnorm_share = 0.5"), "norm_share");
  CHECK_ERROR(made(prune, "reduction = 0.5\nsamples = 5"), "samples");
  CHECK_ERROR(made(prune, "reduction = 0.5\nscope = \"global\"\nlayers = {stem = 0.5}"), "layers");
  CHECK_ERROR(made(prune, "reduction = 1.0"), "reduction");
  CHECK_ERROR(made(prune,
                   "criterion = \"geometric_median\"\nreduction = 0.5\nnorm_share = 0.1\nrounds = 2\n"
                   "epochs = 2"),
              "expected rounds = 1 or no 'norm_share'");
  CHECK_ERROR(made(pruning::kPruneGreedilyStage.make, "reduction = 0.5\nmultiple = 8"), "multiple");
  CHECK_ERROR(made(pruning::kPruneGreedilyStage.make, "reduction = 0.5\nscope = \"group\""), "scope");
  CHECK_ERROR(made(pruning::kPruneByLassoStage.make, "reduction = 0.5\nscope = \"global\""), "scope");
  CHECK_ERROR(made(pruning::kPruneByLassoStage.make, "reduction = 0.5\ntarget = \"latency\""), "latency");

  layers::Network plain("plain", {28, 28, 1});
  plain.add("flatten", "flatten");
  plain.add("linear", "fc1", {{"features", 5}});
  plain.add("linear", "fc2", {{"features", 10}});
  const datasets::Split data = synthetic(50, 10);
  CHECK_ERROR(made(pruning::kSlimStage.make, "")->check(plain, data), "no batch norms");
  CHECK_ERROR(made(prune, "criterion = \"batch_norm_scale\"\nreduction = 0.5")->check(plain, data),
              "nothing of 'plain' may be pruned");
  CHECK_ERROR(made(prune, "reduction = 0.5\nprotect = [\"fc9\"]")->check(plain, data), "fc9");
  const auto chosen = layers::make_model("densenet40", {.image = {28, 28, 1}, .classes = 10, .width = 0.25});
  CHECK_ERROR(made(pruning::kSoftPruneStage.make, "criterion = \"batch_norm_scale\"\nreduction = 0.5")
                  ->check(chosen, data),
              "have no filters to set to zero");
}

}  // namespace
}  // namespace espalier::test
