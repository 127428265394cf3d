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

TEST_CASE("Deep Compression's total weighs the layers' bits by their entries and adds up counts and bytes") {
  const auto tensor = [](const char* name, int weights, int entries, double weight_bits, double index_bits,
                         double huffman_weight_bits, double huffman_index_bits, int codebook, int section) {
    return nlohmann::json{{"name", name},
                          {"weights", weights},
                          {"nonzeros", entries},
                          {"entries", entries},
                          {"weight_bits", weight_bits},
                          {"index_bits", index_bits},
                          {"huffman_weight_bits", huffman_weight_bits},
                          {"huffman_index_bits", huffman_index_bits},
                          {"codebook_bytes", codebook},
                          {"section_bytes", section}};
  };
  const nlohmann::json compressed = {{"bytes", 700},
                                     {"dense_bytes", 16400},
                                     {"ratio", 16400 / 700.0},
                                     {"tensors",
                                      {tensor("fc1.bias", 100, 100, 32, 0, 32, 0, 0, 400),
                                       tensor("fc1.weight", 1000, 100, 4, 2, 2, 1, 64, 100),
                                       tensor("fc2.weight", 1000, 300, 8, 4, 6, 3, 16, 500),
                                       tensor("fc3.weight", 2000, 0, 0, 0, 0, 0, 0, 0)}}};
  const nlohmann::json run = {
      {"recipe", "deep-compression/lenet-300-100"},
      {"model", "lenet_300_100"},
      {"data", "mnist"},
      {"seed", 1},
      {"settings", "seed = 1\n"},
      {"commit", "abc"},
      {"machine", {{"processor", "a processor"}, {"threads", 1}}},
      {"stages", {{{"accuracy", 0.99}}, {{"accuracy", 0.98}, {"compressed", compressed}}}}};
  const nlohmann::json page = apps::find_table("deep-compression").render({run}).json();
  const nlohmann::json& layers = page.at("sections").back().at("tables").back().at("rows");
  REQUIRE(layers.size() == 4);
  // 400 of 4000 weights; (100 · 4 + 300 · 8) / 400 bits and so on; P+Q (400 · 10.5 + 8 · 80) / 128000.
  CHECK(layers.back() == nlohmann::json({"total", "10.0 %", "8 %", "7.0 / 5.0", "6 / 5.1", "3.5 / 2.5",
                                         "5 / 3.7", "3.78 %", "3.1 %", "3.75 %", "2.49 %"}));
}
