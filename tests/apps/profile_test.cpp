#include "apps/profile.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/io/file.h"
#include "tests/apps/program.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

using namespace espalier;
using nlohmann::json;
using test::espalier_command;
using test::Outcome;

namespace {

const std::string kConv = "conv2d", kStep = "step", kLoss = "loss", kOne = "conv \"1\"\n", kTwo = "conv2";

// A step of 10 ms with two convolutions (2 and 3 ms) and a loss (1 ms) in it; 2 ms nothing; another of 4 ms.
profile::Recording small_recording() {
  constexpr int64_t kMs = 1'000'000;
  return {.events = {{"forward", &kConv, &kOne, 1 * kMs, 3 * kMs, 0},
                     {"forward", &kConv, &kTwo, 3 * kMs, 6 * kMs, 0},
                     {"loss", &kLoss, nullptr, 7 * kMs, 8 * kMs, 0},
                     {"training", &kStep, nullptr, 0, 10 * kMs, 0},
                     {"training", &kStep, nullptr, 12 * kMs, 16 * kMs, 0}},
          .dropped = 0};
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// The words of the first line that begins with `begin`.
std::vector<std::string> line(const std::string& table, const std::string& begin) {
  std::istringstream stream(table);
  for (std::string each; std::getline(stream, each);)
    if (each.starts_with(begin)) return words(each);
  return {};
}

}  // namespace

TEST_CASE("the profile's table gives every operation the time that is its own, and adds up") {
  const std::string table = apps::profile_table(small_recording(), false);
  INFO(table);
  CHECK(line(table, "step") == words("step training 2 8.0 50.0 % 4000.0"));
  CHECK(line(table, "conv2d") == words("conv2d forward 2 5.0 31.2 % 2500.0"));
  CHECK(line(table, "loss") == words("loss loss 1 1.0 6.2 % 1000.0"));
  CHECK(line(table, "elsewhere") == words("elsewhere 2.0 12.5 %"));
  CHECK(line(table, "total") == words("total 16.0 100.0 %"));
  CHECK(table.find("step") < table.find("conv2d"));
}

TEST_CASE("the profile's table by layer tells layers apart") {
  const std::string table = apps::profile_table(small_recording(), true);
  CHECK(line(table, "conv2d") == words("conv2d forward conv2 1 3.0 18.8 % 3000.0"));
}

TEST_CASE("the profile's table says when there is nothing in it, or not everything") {
  CHECK(apps::profile_table({}, false) == "Nothing was recorded.\n");
  profile::Recording full = small_recording();
  full.dropped = 1234;
  CHECK(apps::profile_table(full, false).find("Only the first 5 scopes: the buffer was full when 1,234") !=
        std::string::npos);
}

TEST_CASE("the trace is valid JSON, whatever layers are called") {
  const test::TemporaryFolder folder;
  apps::write_trace(folder.path() / "trace.json", small_recording());
  const json trace = json::parse(read_text(folder.path() / "trace.json"));
  REQUIRE(trace.at("traceEvents").size() == 5);
  const json& first = trace.at("traceEvents")[0];
  CHECK(first == json{{"ph", "X"},
                      {"pid", 1},
                      {"tid", 0},
                      {"ts", 1000.0},
                      {"dur", 2000.0},
                      {"cat", "forward"},
                      {"name", "conv2d"},
                      {"args", {{"layer", kOne}}}});
  apps::write_trace(folder.path() / "empty.json", {});
  CHECK(json::parse(read_text(folder.path() / "empty.json")).at("traceEvents").empty());
}

TEST_CASE("run --profile prints the table, writes the trace, and changes no bit of the model") {
  const test::TemporaryFolder folder;
  const std::string recipe = (folder.path() / "recipe.toml").string();
  write_file(recipe, R"(
[data]
name = "synthetic"
limit = 640
[model]
name = "lenet5"
[[stage]]
type = "train"
epochs = 1
learning_rate = 0.02
)");
  const auto out = [&](const std::string& name) { return folder.path() / name; };
  const auto run = [&](const std::string& name, const std::string& more) {
    const Outcome outcome =
        espalier_command("run '" + recipe + "' --out '" + out(name).string() + "' " + more);
    INFO(outcome.text);
    REQUIRE(outcome.code == 0);
    return outcome.text;
  };
  const std::string plain = run("plain", ""), profiled = run("profiled", "--profile"),
                    layers = run("layers", "--profile-layers --profile='" + out("trace.json").string() + "'");
  CHECK(plain.find("mean us") == std::string::npos);
  INFO(profiled);
  CHECK(line(profiled, "step").at(2) == "10");
  CHECK(line(profiled, "conv2d").size() == 7);
  for (const char* operation : {"sgd", "objective", "wait", "tape", "evaluate"})
    CHECK(line(profiled, operation).size() == 7);
  CHECK(layers.find("conv1") != std::string::npos);
  CHECK(read_file(out("plain") / "model.safetensors") == read_file(out("profiled") / "model.safetensors"));

  const json trace = json::parse(read_text(out("profiled") / "profile.json")).at("traceEvents");
  int forward = 0, backward = 0;
  for (const json& event : trace) {
    if (event.at("name") != "conv2d") continue;
    CHECK(event.at("args").at("layer").get<std::string>().starts_with("conv"));
    forward += event.at("cat") == "forward";
    backward += event.at("cat") == "backward";
  }
  CHECK(forward == 20);
  CHECK(backward == 20);
  CHECK(std::filesystem::exists(out("trace.json")));
  CHECK(!std::filesystem::exists(out("plain") / "profile.json"));
}
