#include "apps/report.h"
#include "apps/tables/channel_pruning.h"
#include "core/error.h"
#include "tests/support/catch.h"

using namespace espalier;
using nlohmann::json;

namespace {

apps::PruningTable little() {
  return {"Little",
          "A paper.",
          {{"Net", "half", 90, 88.5, 50.0, 40.0}},
          {{"Net",
            "our half",
            {"little/pruned", "net", "little/pruned"},
            {"little/whole", "net", "little/whole"},
            0}}};
}

json summary(const std::string& recipe, int seed, double accuracy, int64_t flops) {
  const auto stage = [](double a, int64_t f) {
    return json{{"accuracy", a}, {"flops", f}, {"parameters", f / 10}, {"bytes", 4 * f}};
  };
  json last = stage(accuracy, flops);
  if (flops != 1000) last["speed"] = {{"batch_size", 64}, {"first_milliseconds", 3.0}, {"milliseconds", 2.0}};
  return {{"recipe", recipe},
          {"seed", seed},
          {"data", "toy"},
          {"commit", "abc"},
          {"settings", ""},
          {"machine", {{"processor", "a machine"}}},
          {"stages", {stage(0.8, 1000), last}}};
}

json rows(const std::vector<json>& summaries) {
  return apps::render(little(), summaries).json().at("sections")[0].at("tables")[1].at("rows");
}

}  // namespace

TEST_CASE(
    "a table of structured pruning shows means over seeds, the change beside the paper's, and the savings") {
  const json table = rows({summary("little/pruned", 2, 0.88, 400), summary("little/whole", 1, 0.90, 1000),
                           summary("little/pruned", 1, 0.87, 400), summary("little/whole", 2, 0.91, 1000)});
  REQUIRE(table.size() == 1);
  CHECK(table[0] == json{"Net", "our half", "1 2", "90.50 % (90.00 91.00)", "87.50 % (87.00 88.00)", "-3.00",
                         "-1.50", "-1.50", "-60.0 %", "-60.0 %", "-60.0 %", "1.50x"});
}

TEST_CASE("pruned networks are compared with unpruned ones of the same seeds") {
  const json table = rows({summary("little/pruned", 2, 0.88, 400), summary("little/whole", 1, 0.90, 1000),
                           summary("little/whole", 2, 0.91, 1000)});
  REQUIRE(table.size() == 1);
  CHECK(table[0][3] == "91.00 %");
  CHECK(table[0][5] == "-3.00");
  // Of other seeds there is nothing to compare.
  const json unlike = rows({summary("little/pruned", 1, 0.87, 400), summary("little/pruned", 2, 0.88, 400),
                            summary("little/whole", 1, 0.90, 1000)});
  CHECK(unlike[0][2] == "1 2");
  for (size_t column : {3U, 5U, 7U}) CHECK(unlike[0][column] == "");
}

TEST_CASE("without runs of the unpruned network there is no change, and without any no row") {
  const json table = rows({summary("little/pruned", 1, 0.87, 400)});
  REQUIRE(table.size() == 1);
  CHECK(table[0][3] == "");
  CHECK(table[0][4] == "87.00 %");
  CHECK(table[0][5] == "");
  CHECK(table[0][7] == "");
  CHECK(rows({}).empty());
}

TEST_CASE("a run of another table and runs that differ in more than their seed are errors") {
  CHECK_ERROR(rows({summary("other", 1, 0.9, 400)}), "'other' is none of this table's");
  json different = summary("little/pruned", 2, 0.9, 400);
  different["settings"] = "epochs = 3";
  CHECK_ERROR(rows({summary("little/pruned", 1, 0.9, 400), different}), "differ in more than the seed");
}

TEST_CASE("every table of the program names recipes that there are") {
  const std::filesystem::path recipes = std::filesystem::path(ESPALIER_SOURCE_DIR) / "apps/recipes";
  for (const apps::TableRow& table : apps::tables())
    for (const apps::TableRun& run : table.runs()) {
      INFO(table.name << " " << run.recipe);
      CHECK(std::filesystem::exists(recipes / (std::string(run.recipe) + ".toml")));
    }
}

TEST_CASE(
    "the oracle's table shows each criterion's correlations, the mean over the seeds and each of them") {
  const auto run = [](int seed, double by_group) {
    const json taylor = {
        {"criterion", "taylor"}, {"by_group", by_group}, {"all_groups", 0.5}, {"all_groups_rescaled", 0.5}};
    const json scale = {{"criterion", "batch_norm_scale"},
                        {"by_group", nullptr},
                        {"all_groups", 0.1},
                        {"all_groups_rescaled", nullptr}};
    const json oracle = {{"images", 10}, {"candidates", 20}, {"correlations", {taylor, scale}}};
    return json{{"recipe", "taylor/oracle-resnet20-cpu"},
                {"seed", seed},
                {"data", "toy"},
                {"commit", "abc"},
                {"settings", ""},
                {"machine", {{"processor", "a machine"}}},
                {"stages", {json::object(), {{"oracle", oracle}}}}};
  };
  const apps::TableRow& table = apps::find_table("taylor-oracle");
  const json rows =
      table.render({run(2, 0.8), run(1, 0.6)}).json().at("sections")[0].at("tables")[0].at("rows");
  CHECK(rows == json{{"taylor", "0.70 (0.60 0.80)", "0.50 (0.50 0.50)", "0.50 (0.50 0.50)"},
                     {"batch_norm_scale", "", "0.10 (0.10 0.10)", ""}});
  CHECK(table.render({}).json().at("sections")[0].at("tables").empty());
  CHECK_ERROR(table.render({summary("other", 1, 0.9, 400)}), "'other' is none of this table's");
}

TEST_CASE("a report has a column for speed where a stage's network is another, and none elsewhere") {
  const auto row = [](const std::string& stage) {
    return json{{"stage", stage}, {"accuracy", 0.9}, {"parameters", 10},
                {"nonzeros", 10}, {"flops", 100},    {"bytes", 40}};
  };
  const json first = row("1-train");
  json second = row("2-prune_channels");
  CHECK(apps::report({first, second}).find("faster") == std::string::npos);
  second["speed"] = {{"batch_size", 64}, {"first_milliseconds", 3.0}, {"milliseconds", 2.0}};
  const std::string report = apps::report({first, second});
  CHECK(report.find("faster") != std::string::npos);
  CHECK(report.find("1.50x") != std::string::npos);
}
