// Structured pruning as a user has it: the program, from a recipe to what it saved.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/io/file.h"
#include "tests/apps/program.h"
#include "tests/support/folder.h"

using namespace espalier;
using namespace espalier::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPruningRecipe = R"(
seed = 7
[data]
name = "synthetic"
limit = 600
[model]
name = "lenet5"
width = 0.5
[[stage]]
type = "train"
epochs = 2
learning_rate = 0.02
[[stage]]
type = "prune_channels"
target = "flops"
reduction = 0.5
epochs = 1
learning_rate = 0.01
[[stage]]
type = "prune"
density = 0.3
[[stage]]
type = "encode"
)";

struct Run {
  TemporaryFolder folder;
  std::string path(const std::string& name) const { return "'" + (folder.path() / name).string() + "'"; }
  Run() {
    write_file(folder.path() / "recipe.toml", kPruningRecipe);
    const Outcome outcome = espalier_command("run " + path("recipe.toml") + " --out " + path("run"));
    INFO(outcome.text);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.text.find("faster") != std::string::npos);
  }
};

}  // namespace

TEST_CASE_METHOD(Run, "a pruned network is smaller in every way that counts, and inspect says by how much") {
  const json summary = json::parse(read_text(folder.path() / "run/summary.json"));
  const json &dense = summary.at("stages")[0], &pruned = summary.at("stages")[1],
             &masked = summary.at("stages")[2];
  CHECK(pruned.at("flops").get<double>() <= 0.5 * dense.at("flops").get<double>());
  CHECK(pruned.at("parameters").get<int64_t>() < dense.at("parameters").get<int64_t>());
  CHECK(pruned.at("bytes").get<int64_t>() < dense.at("bytes").get<int64_t>());
  CHECK(pruned.at("speed").at("milliseconds").get<double>() > 0);
  CHECK(!dense.contains("speed"));
  // A mask alone saves nothing more.
  for (const char* figure : {"flops", "parameters", "bytes"}) CHECK(masked.at(figure) == pruned.at(figure));

  const Outcome text = espalier_command("inspect " + path("run/model.safetensors") + " --before " +
                                        path("run/1-train/model.safetensors"));
  CHECK(text.code == 0);
  CHECK(text.text.find("saved") != std::string::npos);
  const json savings = json::parse(espalier_command("inspect " + path("run/model.esp") + " --json --before " +
                                                    path("run/1-train/model.safetensors"))
                                       .text)
                           .at("savings");
  CHECK(savings.at("before").at("flops") == dense.at("flops"));
  CHECK(savings.at("after").at("flops") == pruned.at("flops"));
  CHECK(savings.at("before").at("bytes") == dense.at("bytes"));
  CHECK(savings.at("after").at("milliseconds").get<double>() > 0);
}

TEST_CASE_METHOD(Run, "a model file has its groups printed and drawn, and its sensitivity measured") {
  const Outcome groups = espalier_command("groups " + path("run/model.safetensors") +
                                          " --format json --svg " + path("groups.svg"));
  REQUIRE(groups.code == 0);
  CHECK(json::parse(groups.text).at("sections")[0].at("tables")[0].at("rows").size() == 5);
  CHECK(read_text(folder.path() / "groups.svg").starts_with("<?xml"));

  const Outcome sensitivity = espalier_command(
      "sensitivity " + path("run/2-prune_channels/model.safetensors") +
      " --data synthetic --images 100 --shares 0.3,0.6 " + "--criterion taylor --samples 20 --recipe " +
      path("pruned.toml") + " --svg " + path("plot.svg") + " -o " + path("page.txt"));
  INFO(sensitivity.text);
  REQUIRE(sensitivity.code == 0);
  CHECK(read_text(folder.path() / "page.txt").find("conv2") != std::string::npos);
  CHECK(read_text(folder.path() / "pruned.toml").find("prune_channels") != std::string::npos);
  CHECK(fs::exists(folder.path() / "plot.svg"));

  CHECK(espalier_command("sensitivity " + path("run/2-prune_channels/model.safetensors") +
                         " --data synthetic --shares 0.6,0.3")
            .text.find("expected them increasing") != std::string::npos);
  CHECK(espalier_command("groups nosuch").text.find("nosuch") != std::string::npos);
  CHECK(espalier_command("groups nosuch").code == 1);
}
