#include "apps/tables/table.h"

#include "core/error.h"
#include "core/io/file.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "training/stage.h"

using namespace espalier;
namespace fs = std::filesystem;

namespace {

const std::atomic<bool> kGoOn = false, kStop = true;

// A table of two runs of a second each, whose page lists the seeds it was given.
const apps::TableRow kTable = {"little", "",
                               [] {
                                 return std::vector<apps::TableRun>{{"little/one", "", "little/one"},
                                                                    {"little/two", "start", "little/two"}};
                               },
                               [](const std::vector<nlohmann::json>& summaries) {
                                 std::string seeds;
                                 for (const auto& summary : summaries)
                                   seeds += fmt::format("{}:{} ", summary.at("recipe").get<std::string>(),
                                                        summary.at("seed").dump());
                                 return apps::Page().title("Little").paragraph(seeds);
                               }};

struct Folders {
  test::TemporaryFolder folder;
  apps::TableRunOptions options{.folders = {.recipes = folder / "recipes",
                                            .networks = folder / "networks",
                                            .results = folder / "results",
                                            .runs = folder / "runs"}};
  Folders() {
    fs::create_directories(folder / "recipes/little");
    fs::create_directories(folder / "networks");
    const std::string data = "[data]\nname = \"synthetic\"\nlimit = 64\n";
    const std::string stage = "[[stage]]\ntype = \"train\"\nepochs = 1\nlearning_rate = 0.01\n";
    write_file(folder / "recipes/little/one.toml",
               "name = \"one\"\n" + data + "[model]\nname = \"lenet_300_100\"\nwidth = 0.05\n" + stage);
    write_file(folder / "recipes/little/two.toml",
               "name = \"two\"\n" + data + "[model]\ncheckpoint = \"nowhere.safetensors\"\n" + stage);
  }
  std::string page() const {
    return apps::render_table(kTable, apps::results_of(kTable, options.folders)).text();
  }
};

}  // namespace

TEST_CASE("a table makes the runs whose results are missing, and no others") {
  Folders given;
  CHECK(given.page() == "Little\n======\n\n\n");
  given.options.seeds = {1, 2};
  given.options.only = "one";
  apps::run_missing(kTable, given.options, kGoOn);
  CHECK(given.page() == "Little\n======\n\none:1 one:2 \n");

  // What has a result is not run again; what starts from a network finds it in its folder.
  fs::remove_all(given.options.folders.runs / "little/one-seed2");
  fs::copy_file(given.options.folders.runs / "little/one-seed1/model.safetensors",
                given.options.folders.networks / "start.safetensors");
  given.options.seeds = {2};
  given.options.only = "";
  apps::run_missing(kTable, given.options, kGoOn);
  CHECK(given.page() == "Little\n======\n\none:1 one:2 two:2 \n");
  CHECK_FALSE(fs::exists(given.options.folders.runs / "little/one-seed2"));

  given.options.only = "three";
  CHECK_THROWS_WITH(apps::run_missing(kTable, given.options, kGoOn),
                    "[table] no run of 'little' has 'three' in its name");
}

TEST_CASE("a table's run that was interrupted has no result and goes on the next time") {
  Folders given;
  given.options.only = "one";
  CHECK_THROWS_AS(apps::run_missing(kTable, given.options, kStop), Interrupted);
  CHECK(apps::results_of(kTable, given.options.folders).empty());
  CHECK(fs::exists(given.options.folders.runs / "little/one-seed1/1-train/checkpoint.safetensors"));
  apps::run_missing(kTable, given.options, kGoOn);
  CHECK(apps::results_of(kTable, given.options.folders).size() == 1);
}

TEST_CASE("results are the files that are named as summaries of the table's runs") {
  const Folders given;
  const fs::path results = given.options.folders.results / "little";
  fs::create_directories(results);
  for (const char* name : {"one-seed3.json", "one-seed.json", "one-seedx.json", "oneone-seed1.json",
                           "one-seed1.json.tmp", "two-seed12.json"})
    write_file(results / name, "{}");
  CHECK(apps::results_of(kTable, given.options.folders) ==
        std::vector<fs::path>{results / "one-seed3.json", results / "two-seed12.json"});
  CHECK_THROWS_WITH(given.page(), Catch::Contains("[table] a summary lacks what 'little' shows"));
  write_file(results / "one-seed3.json", "{");
  CHECK_THROWS_WITH(given.page(), Catch::Contains("one-seed3.json: not a run's summary"));
}

TEST_CASE("a page reads as text, as Markdown and as JSON") {
  apps::TextTable table({"a", "b"});
  table.add({"x", "1"});
  const apps::Page page = apps::Page().title("T").paragraph("p").heading("H").table(table);
  CHECK(page.text() == "T\n=\n\np\n\nH\n-\n\na  b\n-  -\nx  1\n");
  CHECK(page.markdown() == "# T\n\np\n\n## H\n\n| a | b |\n|---|--:|\n| x | 1 |\n");
  CHECK(
      page.json().dump() ==
      R"({"sections":[{"heading":"","tables":[],"text":["p"]},{"heading":"H","tables":[{"header":["a","b"],)"
      R"("rows":[["x","1"]]}],"text":[]}],"title":"T"})");
}

TEST_CASE("runs that differ in more than their seed have no common mean") {
  const auto run = [](int seed, const std::string& rest) {
    return nlohmann::json{
        {"recipe", "r"}, {"seed", seed}, {"settings", fmt::format("seed = {}\n{}", seed, rest)}};
  };
  CHECK_NOTHROW(apps::check_alike({run(1, "epochs = 2"), run(2, "epochs = 2")}));
  CHECK_THROWS_WITH(apps::check_alike({run(1, "epochs = 2"), run(2, "epochs = 3")}),
                    "[table] the runs of 'r' with seeds 1 and 2 differ in more than the seed");
  CHECK_THROWS_WITH(apps::check_alike({run(1, ""), run(1, "")}), "[table] two runs of 'r' with seed 1");
}
