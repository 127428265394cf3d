// docs/recipes.md lists every key of a recipe and no others.
#include <fmt/format.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "apps/pipeline.h"
#include "core/error.h"
#include "core/io/file.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

using namespace espalier;

namespace {

using Keys = std::set<std::string>;

// The keys that a table of a recipe may have, from the error that another one is.
Keys known_keys(const std::string& model, const std::string& stage, const std::string& table) {
  const test::TemporaryFolder folder;
  write_file(folder / "recipe.toml", "[data]\nname = \"synthetic\"\naugment = {}\n[model]\n" + model +
                                         "\n[[stage]]\n" + stage + "\n");
  const apps::RunOptions options{
      .recipe = folder / "recipe.toml", .out = folder / "run", .assignments = {table + "undocumented=1"}};
  std::string message;
  try {
    apps::run(options, false);
  } catch (const Error& error) {
    message = error.what();
  }
  const std::string before = "undocumented is unknown; the keys known here are ";
  const size_t at = message.find(before);
  INFO(model << ", " << stage << ", " << table << ": " << message);
  REQUIRE(at != std::string::npos);
  Keys keys;
  std::istringstream names(message.substr(at + before.size()));
  for (std::string name; std::getline(names, name, ',');)
    keys.insert(name.substr(name.find_first_not_of(' ')));
  return keys;
}

// Names in `code` of the first cells of the document's tables, and in lists of keys inside the others.
Keys documented_keys() {
  std::ifstream document(ESPALIER_SOURCE_DIR "/docs/recipes.md");
  const std::regex name("`([a-z][a-z_0-9]*)`");
  Keys keys;
  for (std::string line; std::getline(document, line);) {
    if (!line.starts_with("| `") || line.find("= {}`") != std::string::npos) continue;
    const bool lists = line.find("a table: `") != std::string::npos;
    const std::string cell = line.substr(0, lists ? std::string::npos : line.find('|', 1));
    for (std::sregex_iterator i(cell.begin(), cell.end(), name), end; i != end; ++i) keys.insert((*i)[1]);
  }
  return keys;
}

}  // namespace

TEST_CASE("docs/recipes.md lists every key of a recipe and no others") {
  const std::string model = "name = \"lenet_300_100\"", train = "type = \"train\"";
  Keys known;
  const auto add = [&](const std::string& of_model, const std::string& stage, const std::string& table) {
    known.merge(known_keys(of_model, stage, table));
  };
  for (const char* table : {"", "data.", "data.augment.", "model."}) add(model, train, table);
  for (const char* part : {"", "optimizer = {}", "schedule = {}", "optimizer = { kind = \"adam\" }",
                           "schedule = { kind = \"step\" }", "schedule = { kind = \"one_cycle\" }",
                           "schedule = { kind = \"multi_step\", milestones = [1] }",
                           "distillation = { teacher = \"teacher.safetensors\" }"})
    add(model, train + "\n" + part,
        "stage.1." + std::string(part).substr(0, std::string(part).find(' ')) + (*part == '\0' ? "" : "."));
  add("checkpoint = \"model.safetensors\"", train, "model.");
  for (const char* stage :
       {"type = \"prune\"\ndensity = 0.5", "type = \"prune\"\nscope = \"quality\"\nquality = 1",
        "type = \"prune_channels\"\nreduction = 0.5",
        "type = \"prune_channels\"\nreduction = 0.5\ncriterion = \"geometric_median\"",
        "type = \"prune_channels\"\nreduction = 0.5\ncriterion = \"taylor\"",
        "type = \"soft_prune\"\nreduction = 0.5", "type = \"slim\"",
        "type = \"prune_greedily\"\nreduction = 0.5", "type = \"prune_by_lasso\"\nreduction = 0.5",
        "type = \"quantize\"", "type = \"encode\"", "type = \"rank_criteria\"", "type = \"evaluate\""})
    add(model, stage, "stage.1.");
  for (const char* table : {"data", "model", "stage", "type"}) known.erase(table);  // headings
  CHECK(documented_keys() == known);
}
