#include "apps/sensitivity.h"

#include "core/config.h"
#include "pruning/stages.h"
#include "tests/support/catch.h"

using namespace espalier;

namespace {

const pruning::Sensitivity kSensitivity{
    .accuracy = 0.9,
    .shares = {0.25, 0.5},
    .groups = {{"conv<1>", 8, {0.9, 0.895}}, {"conv2", 16, {0.895, 0.5}}, {"conv3", 16, {0.1, 0.1}}}};

}  // namespace

TEST_CASE("a sensitivity is shown as a table with the suggested shares") {
  const auto page = apps::sensitivity_page(kSensitivity, 0.01, "model by l1").json();
  const auto rows = page.at("sections")[0].at("tables")[0].at("rows");
  CHECK(rows[0] == nlohmann::json{"conv<1>", "8", "90.00", "89.50", "50 %"});
  CHECK(rows[1] == nlohmann::json{"conv2", "16", "89.50", "50.00", "25 %"});
  CHECK(rows[2] == nlohmann::json{"conv3", "16", "10.00", "10.00", "0 %"});
}

TEST_CASE("its recipe is one that a stage takes, without the groups that are best left alone") {
  const std::string text =
      apps::sensitivity_recipe(kSensitivity, 0.01, "a \"b\"/model.safetensors", "cifar10-jpeg", "l1");
  const Config recipe = Config::from_text(text, "recipe");
  CHECK(recipe.table("model").get_string("checkpoint") == "a \"b\"/model.safetensors");
  const Config stage = recipe.tables("stage").front();
  CHECK(stage.get_string("type") == "prune_channels");
  CHECK(stage.table("layers").keys() == std::vector<std::string>{"conv2", "conv<1>"});
  CHECK(stage.table("layers").get_number("conv<1>") == 0.5);
  CHECK_NOTHROW(pruning::kPruneChannelsStage.make(stage));
}

TEST_CASE("its plot has a line for each group and escapes their names") {
  const std::string svg = apps::draw_sensitivity(kSensitivity, "model & data");
  CHECK(svg.find("conv&lt;1&gt;") != std::string::npos);
  CHECK(svg.find("model &amp; data") != std::string::npos);
  size_t circles = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++circles;
  CHECK(circles == 6);
}
