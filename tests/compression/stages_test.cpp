#include "compression/stages.h"

#include <set>

#include "compression/model.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/evaluate.h"
#include "training/trainer.h"

using namespace espalier;
using namespace espalier::compression;
using namespace espalier::test;

namespace {

using StageMaker = std::unique_ptr<Stage> (*)(const Config&);

std::function<void(StageContext&)> stage(StageMaker make, const std::string& toml) {
  return [=](StageContext& context) {
    const Config config = Config::from_text(toml, "recipe");
    const auto made = make(config);
    config.finish();
    made->run(context);
  };
}
std::function<void(StageContext&)> quantize(const std::string& toml) {
  return stage(kQuantizeStage.make, toml);
}
std::function<void(StageContext&)> encode(const std::string& toml = "") {
  return stage(kEncodeStage.make, toml);
}

// Trained a little, then pruned to 30 %.
Model pruned_model() {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(500, 10), folder.path());
  run([](StageContext& context) {
    TrainOptions options{.epochs = 2, .batch_size = 25};
    options.schedule.learning_rate = 0.02;
    train(context, options);
  });
  for (Parameter* parameter : run.model.network.parameters()) {
    if (parameter->kind != ParameterKind::weight) continue;
    Tensor& weight = parameter->variable.value();
    std::vector<float> magnitudes = weight.to_vector<float>();
    for (float& value : magnitudes) value = std::abs(value);
    std::vector<float> sorted = magnitudes;
    std::ranges::sort(sorted);
    const float threshold = sorted[sorted.size() * 7 / 10];
    std::vector<uint8_t> keep(magnitudes.size());
    std::ranges::transform(magnitudes, keep.begin(), [&](float value) { return value >= threshold ? 1 : 0; });
    run.model.masks[parameter->name] = Tensor::from(keep, weight.shape());
    weight.backend().apply_mask(weight, run.model.masks[parameter->name]);
  }
  return std::move(run.model);
}

std::map<std::string, Tensor> copy_of(Model& model) {
  std::map<std::string, Tensor> copy;
  for (const auto& [name, tensor] : model.network.state()) copy[name] = tensor.clone();
  return copy;
}

int64_t distinct_nonzeros(Model& model, const std::string& name) {
  const auto values = model.network.parameter(name).variable.value().to_vector<float>();
  std::set<float> distinct(values.begin(), values.end());
  distinct.erase(0.0f);
  return static_cast<int64_t>(distinct.size());
}

}  // namespace

TEST_CASE("quantization leaves each layer as many values as its bits can name, and pruned weights at zero") {
  const TemporaryFolder folder;
  StageRun run(pruned_model(), synthetic(50, 10), folder.path());
  const auto before = copy_of(run.model);
  run(quantize("bits = 3\nlayers = {conv = 4}"));
  const std::map<std::string, int64_t> due = {{"conv.weight", 16}, {"fc1.weight", 8}, {"fc2.weight", 8}};
  REQUIRE(run.model.codebooks.size() == due.size());
  for (const auto& [name, values] : due) {
    INFO(name);
    CHECK(distinct_nonzeros(run.model, name) <= values);
    CHECK(distinct_nonzeros(run.model, name) > values / 2);
    CHECK(run.metrics.at("quantized").at(name).at("centroids") ==
          run.model.codebooks.at(name).centroids.numel());
    const auto keep = run.model.masks.at(name).to_vector<uint8_t>();
    const auto codes = run.model.codebooks.at(name).codes.to_vector<int32_t>();
    const auto after = run.model.network.parameter(name).variable.value().to_vector<float>();
    const auto original = before.at(name).to_vector<float>();
    double squares = 0, kept = 0;
    int64_t wrong = 0;
    for (size_t i = 0; i < codes.size(); ++i) {
      wrong += (codes[i] < 0) != (keep[i] == 0) || (keep[i] == 0 && after[i] != 0);
      if (keep[i] == 0) continue;
      squares += std::pow(after[i] - original[i], 2);
      ++kept;
    }
    CHECK(wrong == 0);
    CHECK(run.metrics.at("quantized").at(name).at("rms_error").get<double>() ==
          Approx(std::sqrt(squares / kept)).epsilon(1e-4));
  }
  CHECK(identical(run.model.network.state().at("fc1.bias"), before.at("fc1.bias")));
}

TEST_CASE("quantize, encode and load give the same weights and the same accuracy") {
  const TemporaryFolder folder;
  auto data = synthetic(300, 300);
  StageRun run(pruned_model(), data, folder.path());
  run(quantize("bits = 4\nepochs = 1\nbatch_size = 50\nlearning_rate = 0.001"));
  const auto quantized = copy_of(run.model);
  const Evaluation before = evaluate(run.model.network, data.test, Device::cpu);
  CHECK(before.accuracy() > 0.4);  // far from the tenth that guessing gets

  for (const char* options : {"", "index_bits_convolution = 8\nindex_bits_linear = 5"}) {
    INFO("options: " << options);
    run(encode(options));
    const auto path = paths::compressed(folder.path());
    check_identical(run.model.network.state(), quantized);
    Model loaded = load_esp(path, Device::cpu);
    check_identical(loaded.network.state(), quantized);
    CHECK(loaded.network.description() == run.model.network.description());
    const Evaluation after = evaluate(loaded.network, data.test, Device::cpu);
    CHECK(after.correct == before.correct);
    CHECK(after.loss == before.loss);

    const auto& compressed = run.metrics.at("compressed");
    const auto bytes = static_cast<double>(std::filesystem::file_size(path));
    CHECK(compressed.at("bytes").get<double>() == bytes);
    CHECK(compressed.at("dense_bytes") == 4 * run.model.network.parameter_count());
    CHECK(compressed.at("ratio").get<double>() ==
          Approx(4 * static_cast<double>(run.model.network.parameter_count()) / bytes));
    CHECK(compressed.at("ratio").get<double>() > 8);
    CHECK(compressed.at("tensors").size() == quantized.size());
  }
  CHECK(run.model.masks.size() == 3);
  CHECK(run.model.codebooks.size() == 3);
}

TEST_CASE("a model that was never quantized, or never pruned, encodes to the same bits too") {
  for (bool pruned : {false, true}) {
    const TemporaryFolder folder;
    StageRun run(pruned ? pruned_model() : small_model(), synthetic(50, 10), folder.path());
    const auto before = copy_of(run.model);
    run(encode());
    check_identical(run.model.network.state(), before);
    Model loaded = load_esp(paths::compressed(folder.path()), Device::cpu);
    check_identical(loaded.network.state(), before);
  }
}

TEST_CASE("a quantization that is stopped and continued gives the same bits as one that is not") {
  const TemporaryFolder folder;
  const auto data = synthetic(200, 10);
  Model source = pruned_model();
  save_model(folder.path(), source);
  const auto fresh = [&] { return load_model(folder.path(), Device::cpu); };
  const auto train_centroids =
      quantize("bits = 3\nepochs = 2\nbatch_size = 50\nlearning_rate = 0.01\ninitialisation = \"random\"");
  StageRun whole(fresh(), data, folder / "whole");
  whole(train_centroids);
  int pieces = 0;
  const auto run = run_in_pieces(fresh, data, folder / "pieces", 3, train_centroids, pieces);
  CHECK(pieces == 3);
  check_identical(run->model.network.state(), whole.model.network.state());
  check_identical(pack_constraints(run->model), pack_constraints(whole.model));
}

TEST_CASE("a layer that does not exist, or has no weights, is an error") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(50, 10), folder.path());
  CHECK_ERROR(run(quantize("layers = {conv9 = 4}")),
              "[quantize] network 'small' has no weights in a layer named 'conv9'");
  CHECK_ERROR(run(quantize("layers = {norm = 4}")), "no weights in a layer named 'norm'");
  CHECK_ERROR(run(quantize("bits = 17")), "bits");
  CHECK_ERROR(run(quantize("layers = {conv = 0}")), "conv");
  CHECK_ERROR(run(quantize("initialisation = \"zeros\"")), "zeros");
  CHECK_ERROR(run(encode("index_bits_linear = 17")), "index_bits_linear");
  CHECK_ERROR(run(encode("index_bits = 5")), "index_bits");
}

TEST_CASE("a layer that was pruned away cannot be quantized") {
  const TemporaryFolder folder;
  StageRun run(small_model(), synthetic(50, 10), folder.path());
  run.model.masks["fc2.weight"] = Tensor::zeros({10, 24}, DType::uint8);
  CHECK_ERROR(run(quantize("")), "[quantize] 'fc2.weight' has no weights left to share");
}

TEST_CASE("a compressed file whose tensors do not fit its network is an error that names both") {
  const TemporaryFolder folder;
  Model model = small_model();
  EspFile file = to_esp(model, 0, 0);
  const auto load = [&] {
    const auto path = folder / "model.esp";
    write_file(path, encode_esp(file).bytes);
    load_esp(path, Device::cpu);
  };
  load();
  CHECK_ERROR(load_esp(folder / "none.esp", Device::cpu), "none.esp");
  EspTensor last = file.tensors.back();
  file.tensors.pop_back();
  CHECK_ERROR(load(), "'" + last.name + "' is missing");
  last.name = "stray";
  file.tensors.push_back(last);
  CHECK_ERROR(load(), "'stray' is not a tensor of the network");
  file.description = "{}";
  CHECK_ERROR(load(), (folder / "model.esp").string());
}
