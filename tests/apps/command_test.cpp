#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/io/file.h"
#include "tests/apps/program.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

using namespace espalier;
using nlohmann::json;
using test::espalier_command;
using test::Outcome;
namespace fs = std::filesystem;

namespace {

// All of Deep Compression on 2,000 synthetic images, in about a second.
constexpr std::string_view kRecipe = R"(
seed = 7
[data]
name = "synthetic"
limit = 2000
validation = 200
[model]
name = "lenet_300_100"
[[stage]]
type = "train"
epochs = 2
learning_rate = 0.02
[[stage]]
type = "prune"
layers = { fc1 = 0.05, fc2 = 0.1, fc3 = 0.5 }
density_schedule = "cubic"
rounds = 2
rounds_end = 0.8
epochs = 3
checkpoint_seconds = 0
learning_rate = 1e-3
optimizer = { kind = "adam" }
[[stage]]
type = "quantize"
bits = 4
epochs = 1
learning_rate = 1e-4
optimizer = { kind = "adam" }
[[stage]]
type = "encode"
)";

struct Fixture {
  test::TemporaryFolder folder;
  std::string recipe = (folder.path() / "recipe.toml").string();
  Fixture() { write_file(recipe, kRecipe); }
  std::string out(const std::string& name) const { return (folder.path() / name).string(); }
  Outcome run(const std::string& name, const std::string& more = "", const std::string& before = "") const {
    return espalier_command("run '" + recipe + "' --out '" + out(name) + "' " + more, before);
  }
  std::vector<std::byte> model(const std::string& name) const {
    return read_file(fs::path(out(name)) / "model.safetensors");
  }
};

json read_json(const fs::path& path) {
  return json::parse(read_text(path));
}

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "run leaves the promised files and a summary whose figures are those of the files") {
  const Outcome outcome = run("a");
  INFO(outcome.text);
  REQUIRE(outcome.code == 0);
  for (const char* file :
       {"model.safetensors", "model.esp", "metrics.jsonl", "summary.json", "log.txt", "recipe.toml"})
    CHECK(fs::exists(fs::path(out("a")) / file));
  const json summary = read_json(fs::path(out("a")) / "summary.json");
  REQUIRE(summary.at("stages").size() == 4);
  const json& dense = summary.at("stages")[0];
  const json& encoded = summary.at("stages")[3];
  CHECK(dense.at("accuracy").get<double>() > 0.5);
  CHECK(dense.at("nonzeros").get<int64_t>() > 266'000);
  CHECK(encoded.at("nonzeros").get<int64_t>() <= 11'760 + 3'000 + 500 + 410);
  CHECK(encoded.at("bytes").get<uint64_t>() == fs::file_size(fs::path(out("a")) / "model.esp"));
  CHECK(encoded.at("compressed").at("ratio").get<double>() > 30);
  // A mask saves neither FLOPs nor bytes.
  CHECK(summary.at("stages")[1].at("flops") == dense.at("flops"));
  CHECK(summary.at("stages")[1].at("bytes") == dense.at("bytes"));

  const Outcome evaluated = espalier_command("evaluate '" + out("a") + "/model.esp' --data synthetic --json");
  REQUIRE(evaluated.code == 0);
  CHECK(json::parse(evaluated.text).at("accuracy") == encoded.at("accuracy"));
  const Outcome same =
      espalier_command("evaluate '" + out("a") + "/model.safetensors' --data synthetic --json");
  CHECK(json::parse(same.text).at("correct") == json::parse(evaluated.text).at("correct"));

  const json inspected = json::parse(espalier_command("inspect '" + out("a") + "/model.esp' --json").text);
  CHECK(inspected.at("nonzeros") == encoded.at("nonzeros"));
  CHECK(inspected.at("layers")[1].at("tensors")[0].at("rates").contains("P+Q+H"));
  CHECK(espalier_command("inspect '" + out("a") + "/model.esp'").text.find("P+Q+H") != std::string::npos);

  const Outcome table = espalier_command("table deep-compression '" + out("a") + "/summary.json'");
  CHECK(table.code == 0);
  CHECK(table.text.find("fc3.weight  ") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "the number of threads does not change a bit of the model") {
  REQUIRE(run("one", "--threads 1").code == 0);
  REQUIRE(run("two", "--threads 2").code == 0);
  REQUIRE(run("three", "--threads 3").code == 0);
  CHECK(model("one") == model("two"));
  CHECK(model("one") == model("three"));
  CHECK(read_file(out("one") + "/model.esp") == read_file(out("two") + "/model.esp"));
  REQUIRE(run("other", "--seed 8").code == 0);
  CHECK(model("one") != model("other"));
}

TEST_CASE_METHOD(Fixture, "a negative seed is refused as it was given") {
  const Outcome refused = run("refused", "--seed -1");
  CHECK(refused.code != 0);
  CHECK(refused.text.find("-1") != std::string::npos);
  CHECK(!fs::exists(out("refused")));
}

TEST_CASE_METHOD(Fixture, "a run killed in the middle of an epoch resumes to the same bits") {
  REQUIRE(run("whole").code == 0);
  // Killed as soon as the second stage has a checkpoint; it writes one after every step.
  const fs::path checkpoint = fs::path(out("killed")) / "2-prune" / "checkpoint.safetensors";
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stdout);
    execl(ESPALIER_PROGRAM, "espalier", "run", recipe.c_str(), "--out", out("killed").c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 6000 && !fs::exists(checkpoint); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(fs::exists(checkpoint));
  REQUIRE_FALSE(fs::exists(fs::path(out("killed")) / "2-prune" / "done.json"));

  const Outcome refused = run("killed");
  CHECK(refused.code == 1);
  CHECK(refused.text.find("--resume") != std::string::npos);
  const Outcome resumed = run("killed", "--resume");
  INFO(resumed.text);
  REQUIRE(resumed.code == 0);
  CHECK(resumed.text.find("continuing in epoch") != std::string::npos);
  CHECK(model("killed") == model("whole"));
  CHECK(read_file(out("killed") + "/model.esp") == read_file(out("whole") + "/model.esp"));
  CHECK(read_text(out("killed") + "/metrics.jsonl") == read_text(out("whole") + "/metrics.jsonl"));
}

TEST_CASE_METHOD(Fixture, "Ctrl-C saves, says how to resume, and the rest gives the same bits") {
  REQUIRE(run("whole").code == 0);
  const Outcome stopped = run("stopped", "", "timeout --foreground --preserve-status -s INT 1.2");
  if (stopped.code == 0) SKIP_TEST("the run ended before it could be interrupted");
  CHECK(stopped.code == 1);
  CHECK(stopped.text.find("--resume") != std::string::npos);
  REQUIRE(run("stopped", "--resume").code == 0);
  CHECK(model("stopped") == model("whole"));
}

TEST_CASE_METHOD(Fixture, "resuming with another recipe or seed is refused") {
  REQUIRE(run("a").code == 0);
  CHECK(run("a", "--resume").code == 0);
  const Outcome other = run("a", "--resume --seed 9");
  CHECK(other.code == 1);
  CHECK(other.text.find("differs") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a disk that fills up loses no earlier checkpoint") {
  REQUIRE(run("whole").code == 0);
  // The dense model fits under the limit of 5200 blocks of 512 bytes, and so does a checkpoint with momentum;
  // one with Adam's moments does not.
  const Outcome full = run("full", "", "ulimit -f 5200;");
  CHECK(full.code == 1);
  CHECK(full.text.find("checkpoint.safetensors") != std::string::npos);
  REQUIRE(fs::exists(fs::path(out("full")) / "1-train" / "done.json"));
  REQUIRE(run("full", "--resume").code == 0);
  CHECK(model("full") == model("whole"));
}

TEST_CASE_METHOD(Fixture, "wrong use exits with 2 and failure with 1, both saying what was expected") {
  CHECK(espalier_command("").code == 2);
  CHECK(espalier_command("run").code == 2);
  CHECK(espalier_command("list nonsense").code == 2);
  CHECK(run("z", "--device nonsense").code == 2);
  CHECK(run("z", "--precision nonsense").code == 2);
  CHECK(run("z", "--set nonsense").code == 2);
  CHECK(espalier_command("evaluate '" + recipe + "' --data nonsense").code == 2);
  CHECK(espalier_command("table nonsense '" + recipe + "'").code == 2);
  CHECK(espalier_command("run '" + recipe + "' --threads 0").code == 2);
  CHECK(espalier_command("run /nowhere/recipe.toml").code == 1);

  const auto fails_with = [](const Outcome& outcome, const std::string& fragment) {
    INFO(outcome.text);
    CHECK(outcome.code == 1);
    CHECK(outcome.text.find(fragment) != std::string::npos);
  };
  fails_with(run("b", "--set stage.1.epochs=\"five\""), "stage.1.epochs");
  fails_with(run("b", "--set stage.1.epoch=5"), "epoch");
  fails_with(run("b", "--set stage.2.layers.fc9=0.5"), "fc9");
  fails_with(run("b", "--set stage.3.layers.fc9=4"), "fc9");
  CHECK_FALSE(fs::exists(out("b")));  // nothing ran, so nothing is left that would refuse the mended recipe
  fails_with(run("c", "--device cuda", "CUDA_VISIBLE_DEVICES= "), "no usable CUDA device");
  fails_with(run("c", "--precision tf32"), "cpu multiplies in float32 alone, not in tf32");
  CHECK_FALSE(fs::exists(out("c")));
  fails_with(run("d", "--data-dir /nowhere --set data.name=mnist"), "/nowhere");
  CHECK_FALSE(fs::exists(out("d")));
  fails_with(espalier_command("list models > /dev/full"), "");
  fails_with(espalier_command("evaluate '" + recipe + "' --data synthetic"), "recipe.toml");
  fails_with(run("e", "--set stage.1.learning_rate=1e6"), "the loss is");
}

TEST_CASE_METHOD(Fixture, "a table refuses to average runs that differ in more than their seeds") {
  REQUIRE(run("a").code == 0);
  REQUIRE(run("b", "--seed 8").code == 0);
  REQUIRE(run("c", "--seed 9 --set stage.3.bits=5").code == 0);
  const auto summary = [&](const std::string& name) { return "'" + out(name) + "/summary.json' "; };
  CHECK(espalier_command("table deep-compression " + summary("a") + summary("b")).code == 0);
  CHECK(espalier_command("table deep-compression " + summary("a") + summary("a")).text.find("two runs") !=
        std::string::npos);
  const Outcome mixed = espalier_command("table deep-compression " + summary("a") + summary("c"));
  CHECK(mixed.code == 1);
  CHECK(mixed.text.find("differ in more than the seed") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a model exported in PyTorch's layouts is imported to the same bytes") {
  REQUIRE(run("whole").code == 0);
  const fs::path trained = fs::path(out("whole")) / "model.safetensors", torch = folder / "torch.safetensors",
                 back = folder / "back.safetensors";
  const Outcome exported = espalier_command(
      fmt::format("export '{}' --format safetensors-torch -o '{}'", trained.string(), torch.string()));
  INFO(exported.text);
  REQUIRE(exported.code == 0);
  write_file(folder / "labels.txt", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  const auto import_as = [&](const std::string& image) {
    return espalier_command(fmt::format(
        "import '{}' --model lenet_300_100 --image {} --mean 0.1572 --std 0.2503 --labels '{}' -o '{}'",
        torch.string(), image, (folder / "labels.txt").string(), back.string()));
  };
  const Outcome misfit = import_as("8,8,1");
  CHECK(misfit.code == 1);
  CHECK(misfit.text.find("'fc1.weight' is float32 (300, 784), expected float32 (300, 64)") !=
        std::string::npos);
  CHECK_FALSE(fs::exists(back));
  const Outcome imported = import_as("28,28,1");
  INFO(imported.text);
  REQUIRE(imported.code == 0);
  CHECK(read_file(back) == read_file(trained));
}

TEST_CASE_METHOD(Fixture, "a compressed model is exported to ONNX, or the package that this needs is named") {
  REQUIRE(run("whole").code == 0);
  const fs::path onnx = folder / "whole.onnx";
  const Outcome exported = espalier_command(
      fmt::format("export '{}/model.esp' --format onnx -o '{}'", out("whole"), onnx.string()));
  INFO(exported.text);
  if (exported.code == 0)
    CHECK(fs::file_size(onnx) > 266'610 * sizeof(float));
  else
    CHECK(exported.text.find("libonnx-dev") != std::string::npos);
  CHECK(fs::exists(onnx) == (exported.code == 0));
}

TEST_CASE("every command has help with an example, and list names what is registered") {
  for (const char* name :
       {"run", "evaluate", "predict", "inspect", "groups", "sensitivity", "import", "export", "list", "table",
        "devices", "bench", "bench data", "bench conv", "bench pruned", "data", "data get", "data pack"}) {
    const Outcome help = espalier_command(std::string(name) + " --help");
    CHECK(help.code == 0);
    CHECK(help.text.find("Example:") != std::string::npos);
  }
  CHECK(espalier_command("list models").text.find("lenet5") != std::string::npos);
  CHECK(espalier_command("list datasets").text.find("mnist") != std::string::npos);
  CHECK(espalier_command("list datasets").text.find("DIR/") != std::string::npos);
  CHECK(espalier_command("list stages").text.find("quantize") != std::string::npos);
  CHECK(espalier_command("list criteria").text.find("magnitude") != std::string::npos);
  CHECK(espalier_command("list channel-criteria").text.find("geometric_median") != std::string::npos);
}

TEST_CASE("devices lists what can compute and why the others cannot") {
  const Outcome devices = espalier_command("devices", "CUDA_VISIBLE_DEVICES= ");
  CHECK(devices.code == 0);
  for (const char* part : {"cpu  ", "reference  ", "cuda  ", "no usable CUDA device"})
    CHECK(devices.text.find(part) != std::string::npos);
}

TEST_CASE("a recipe that starts from a checkpoint reports it first and normalises as it did") {
  const test::TemporaryFolder folder;
  const auto run_recipe = [&](const std::string& name, const std::string& model) {
    write_file(folder / "recipe.toml", "[data]\nname = \"synthetic\"\nlimit = 200\n[model]\n" + model +
                                           "\n[[stage]]\ntype = \"train\"\nepochs = 1\n");
    return espalier_command(
        fmt::format("run '{}' --out '{}'", (folder / "recipe.toml").string(), (folder / name).string()));
  };
  const auto summary = [&](const std::string& name) {
    return nlohmann::json::parse(read_text(folder / name / "summary.json"));
  };
  const Outcome first = run_recipe("first", "name = \"lenet_300_100\"");
  INFO(first.text);
  REQUIRE(first.code == 0);
  const std::string checkpoint =
      fmt::format("checkpoint = \"{}\"", (folder / "first/model.safetensors").string());
  const Outcome second = run_recipe("second", checkpoint);
  INFO(second.text);
  REQUIRE(second.code == 0);
  const auto stages = summary("second").at("stages");
  REQUIRE(stages.size() == 2);
  CHECK(stages[0].at("stage") == "0-checkpoint");
  CHECK(stages[0].at("accuracy") == summary("first").at("stages").back().at("accuracy"));
  CHECK(summary("second").at("model") == "lenet_300_100");

  // A run that had no more than its copy of the checkpoint goes on without the file.
  fs::create_directories(folder / "third");
  fs::copy(folder / "second/0-checkpoint", folder / "third/0-checkpoint", fs::copy_options::recursive);
  fs::copy(folder / "second/recipe.toml", folder / "third/recipe.toml");
  fs::remove(folder / "first/model.safetensors");
  const Outcome resumed = espalier_command(fmt::format(
      "run '{}' --out '{}' --resume", (folder / "recipe.toml").string(), (folder / "third").string()));
  INFO(resumed.text);
  REQUIRE(resumed.code == 0);
  CHECK(read_file(folder / "third/model.safetensors") == read_file(folder / "second/model.safetensors"));
  CHECK(run_recipe("fourth", checkpoint + "\nname = \"lenet5\"").text.find("name") != std::string::npos);
}

TEST_CASE("the CIFAR table shows runs beside PyTorch and refuses others") {
  const test::TemporaryFolder folder;
  const auto write_summary = [&](const std::string& model) {
    const nlohmann::json stage = {{"stage", "0-checkpoint"}, {"accuracy", 0.8103}};
    nlohmann::json end = stage;
    end["stage"] = "1-train";
    end["accuracy"] = 0.871;
    write_file(folder / "summary.json",
               nlohmann::json{{"recipe", "finetune"},
                              {"model", model},
                              {"data", "cifar10-jpeg"},
                              {"seed", 3},
                              {"commit", "abc"},
                              {"machine", {{"processor", "some"}, {"threads", 2}}},
                              {"settings", "[[stage]]\ntype = 'train'\nepochs = 2\n"},
                              {"stages", {stage, end}}}
                   .dump());
    return espalier_command("table cifar --format markdown '" + (folder / "summary.json").string() + "'");
  };
  const Outcome table = write_summary("resnet20");
  INFO(table.text);
  CHECK(table.code == 0);
  CHECK(table.text.find("| 81.03 % | 81.03 % | 87.10 % | 87.25 % |") != std::string::npos);
  CHECK(write_summary("vgg16").text.find("the run 'finetune' of 'vgg16' is none of this table's") !=
        std::string::npos);
}

TEST_CASE("every recipe in the tree is read without an error up to its data") {
  size_t recipes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(ESPALIER_SOURCE_DIR "/apps/recipes")) {
    if (entry.path().extension() != ".toml") continue;
    ++recipes;
    const test::TemporaryFolder folder;
    const std::string text = read_text(entry.path());
    std::string settings;
    if (text.find("checkpoint =") != std::string::npos) settings += " --set model.checkpoint=/nowhere/model";
    if (text.find("data/") != std::string::npos) settings += " --set data.name=/nowhere/images";
    const Outcome outcome =
        espalier_command("run '" + entry.path().string() + "' --data-dir /nowhere --out '" +
                         (folder.path() / "r").string() + "'" + settings);
    INFO(outcome.text);
    CHECK(outcome.text.find("/nowhere") != std::string::npos);
  }
  CHECK(recipes >= 3);
}
