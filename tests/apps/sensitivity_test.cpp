#include "apps/sensitivity.h"

#include "core/config.h"
#include "layers/models.h"
#include "pruning/stages.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"

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
  // Where nothing is suggested nothing goes.
  const Config none = Config::from_text(
      apps::sensitivity_recipe({.accuracy = 0.9, .shares = {0.25}, .groups = {{"a", 8, {0.1}}}}, 0.01,
                               "model.safetensors", "cifar10-jpeg", "l1"),
      "recipe");
  CHECK_NOTHROW(pruning::kPruneChannelsStage.make(none.tables("stage").front()));
}

TEST_CASE("its recipe fits the network whose groups it names, those of chosen channels too") {
  const auto network =
      layers::make_model("preresnet164", {.image = {28, 28, 1}, .classes = 10, .width = 0.25});
  const pruning::ChannelGraph graph(network);
  const auto criterion = pruning::channel_criterion("batch_norm_scale").make({});
  pruning::Sensitivity sensitivity{.accuracy = 0.9, .shares = {0.25}, .groups = {}};
  for (const pruning::ChannelGroup& group : graph.groups())
    if (group.prunable && criterion->applies_to(network, group))
      sensitivity.groups.push_back({group.name, group.channels, {0.9}});
  const Config recipe = Config::from_text(
      apps::sensitivity_recipe(sensitivity, 0.01, "model.safetensors", "cifar10-jpeg", "batch_norm_scale"),
      "recipe");
  const auto stage = pruning::kPruneChannelsStage.make(recipe.tables("stage").front());
  CHECK_NOTHROW(stage->check(network, test::synthetic(50, 10)));
}

TEST_CASE("its plot has a line for each group and escapes their names") {
  const std::string svg = apps::draw_sensitivity(kSensitivity, "model & data");
  CHECK(svg.find("conv&lt;1&gt;") != std::string::npos);
  CHECK(svg.find("model &amp; data") != std::string::npos);
  size_t circles = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++circles;
  CHECK(circles == 6);
}
