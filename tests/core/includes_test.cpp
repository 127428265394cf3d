#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "core/io/file.h"
#include "tests/support/catch.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

// The folders and what each may include beside itself: dependencies point one way.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {}},
    {"cuda", {"core"}},
    {"layers", {"core"}},
    {"datasets", {"core"}},
    {"training", {"core", "layers", "datasets"}},
    {"interchange", {"core", "layers", "training"}},
    {"pruning", {"core", "layers", "datasets", "training"}},
    {"compression", {"core", "layers", "datasets", "training"}},
    {"apps", {"core", "cuda", "layers", "datasets", "training", "interchange", "pruning", "compression"}},
};

std::string folder_of(const std::string& path) {
  return path.substr(0, path.find('/'));
}

// The path of an `#include "path"`, spaces allowed wherever the preprocessor allows them.
std::optional<std::string> included_path(const std::string& line) {
  std::istringstream words(line);
  char hash = 0, quote = 0;
  std::string path;
  if (!(words >> hash) || hash != '#') return {};
  std::string directive(7, ' ');
  words >> std::ws;
  words.read(directive.data(), 7);
  if (directive != "include" || !(words >> quote) || quote != '"' || !std::getline(words, path, '"'))
    return {};
  return path;
}

// What the includes of `text`, the source at `path`, break of the rules; empty when nothing.
std::vector<std::string> violations(const std::string& path, const std::string& text) {
  const std::string folder = folder_of(path);
  std::vector<std::string> result;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const auto included = included_path(line);
    if (!included) continue;
    const std::string target = folder_of(*included);
    if (!kMayInclude.contains(target))
      result.push_back(fmt::format("{}:{}: \"{}\" is not a path from the root", path, number, *included));
    else if (target != folder && !kMayInclude.at(folder).contains(target))
      result.push_back(fmt::format("{}:{}: {} may not include {}", path, number, folder, *included));
  }
  return result;
}

TEST_CASE("an include against the direction of dependencies, or not from the root, is found") {
  CHECK(violations("core/a.cpp", "#pragma once\n#include \"layers/b.h\"\n") ==
        std::vector<std::string>{"core/a.cpp:2: core may not include layers/b.h"});
  CHECK(violations("layers/a.h", "  #  include   \"pruning/b.h\"").size() == 1);
  CHECK(violations("datasets/a.h", "#include \"layers/b.h\"").size() == 1);
  CHECK(violations("training/a.h", "#include \"pruning/b.h\"").size() == 1);
  CHECK(violations("training/a.h", "#include \"interchange/b.h\"").size() == 1);
  CHECK(violations("pruning/a.h", "#include \"compression/b.h\"").size() == 1);
  CHECK(violations("compression/a.h", "#include\"pruning/b.h\"").size() == 1);
  CHECK(violations("core/a.cpp", "#include \"a.h\"") ==
        std::vector<std::string>{"core/a.cpp:1: \"a.h\" is not a path from the root"});
  CHECK(violations("apps/a.cpp", "#include \"tests/support/catch.h\"").size() == 1);
}

TEST_CASE("includes along the direction of dependencies are allowed") {
  CHECK(violations("apps/a.cpp", "#include \"pruning/b.h\"\n#include \"core/c.h\"").empty());
  CHECK(violations("layers/a.cpp", "#include \"layers/a.h\"\n#include <vector>\n// #include \"apps/b.h\"")
            .empty());
}

TEST_CASE("no source of the project includes against the direction of dependencies") {
  const fs::path root = ESPALIER_SOURCE_DIR;
  size_t sources = 0;
  for (const auto& [folder, allowed] : kMayInclude) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (!entry.is_regular_file() || !std::set<std::string>{".h", ".cpp", ".cu", ".cuh"}.contains(extension))
        continue;
      ++sources;
      for (const std::string& violation :
           violations(fs::relative(entry.path(), root), read_text(entry.path())))
        FAIL_CHECK(violation);
    }
  }
  CHECK(sources > 20);
}

}  // namespace
}  // namespace espalier
