#include "apps/bench/bench.h"

#include <sys/stat.h>

#include <sstream>

#include "apps/bench/conv.h"
#include "apps/bench/pruned.h"
#include "core/io/file.h"
#include "layers/models.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "training/model.h"

using namespace espalier;
using apps::BenchOptions;

namespace {

// A stand-in for the interpreter with PyTorch: it greets with `hello` and answers every request with
// `answer`.
struct FakePeer {
  test::TemporaryFolder folder;
  std::string python = (folder.path() / "python").string();
  FakePeer(const std::string& hello, const std::string& answer) {
    write_file(python,
               fmt::format("#!/bin/sh\necho '{}'\nwhile read -r line; do echo '{}'; done\n", hello, answer));
    chmod(python.c_str(), 0700);
  }
};

const std::string kHello = R"({"version": "Fake 1.0"})";
const std::string kLenet = R"({"rate": 10.0, "form": "NHWC", "parameters": 266610})";
const std::string kRow = "lenet_300_100 inference";

BenchOptions brief(const std::string& only, const std::string& python) {
  return {.repeats = 1, .seconds = 0.001, .only = only, .python = python};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The words of the line that begins with `begin`, after it.
std::vector<std::string> cells(const std::string& table, const std::string& begin) {
  std::istringstream lines(table);
  std::vector<std::string> words;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(begin)) continue;
    std::istringstream rest(line.substr(begin.size()));
    for (std::string word; rest >> word;) words.push_back(word);
    break;
  }
  return words;
}

}  // namespace

TEST_CASE("bench says whether the goal is met") {
  // Rates that no machine misses or reaches, however busy it is.
  for (const auto& [rate, verdict] : {std::pair{"0.001", "yes"}, std::pair{"1e12", "no"}}) {
    const FakePeer fake(kHello, fmt::format(R"({{"rate": {}, "form": "NHWC", "parameters": 266610}})", rate));
    const std::string table = apps::bench(brief(kRow, fake.python));
    INFO(table);
    CHECK(contains(table, fmt::format("  {}  ", verdict)));
  }
}

TEST_CASE("bench shows both sides, their ratio and the goal, as text and as Markdown") {
  const FakePeer fake(kHello, kLenet);
  BenchOptions options = brief(kRow, fake.python);
  options.output = fake.folder.path() / "performance.md";
  const std::string table = apps::bench(options);
  INFO(table);
  const auto row = cells(table, "lenet_300_100 inference, batch 1");
  REQUIRE(row.size() == 12);  // ours, eager PyTorch and the goal; PyTorch compiled
  CHECK(row[2] == "10");
  CHECK(row[4] == "(NHWC)");
  CHECK(row[6] == "10.0x");
  CHECK(row[8] == "10");
  CHECK(contains(table, "Fake 1.0"));
  CHECK(!contains(table, "vgg16"));
  const std::string markdown = read_text(options.output);
  CHECK(markdown.starts_with("# Speed\n\nWritten by `espalier bench`."));
  CHECK(contains(markdown, "| lenet_300_100 inference, batch 1 |"));
  CHECK(contains(markdown, "thread"));
  CHECK(contains(markdown, "commit"));
}

TEST_CASE("bench goes without a peer that is not there, and says why") {
  const FakePeer without(R"({"missing": "No module named torch"})", "");
  for (const auto& [python, reason] : {std::pair{without.python, "No module named torch"},
                                       std::pair{std::string("/nowhere"), "/nowhere cannot be started"}}) {
    const std::string table = apps::bench(brief(kRow, python));
    INFO(table);
    CHECK(contains(table, reason));
    CHECK(contains(table, "not compared"));
    CHECK(!contains(table, "yes"));
  }
}

TEST_CASE("bench names what is wrong with a peer's answer") {
  const auto run = [](const std::string& hello, const std::string& answer) {
    const FakePeer fake(hello, answer);
    return apps::bench(brief(kRow, fake.python));
  };
  CHECK_ERROR(run(kHello, R"({"rate": 10.0, "form": "NHWC", "parameters": 7})"),
              "has 7 parameters; ours 266610");
  CHECK_ERROR(run(kHello, R"({"error": "out of memory"})"), "out of memory");
  CHECK_ERROR(run(kHello, "Segmentation fault"), "answered 'Segmentation fault'");
  CHECK_ERROR(apps::bench(brief(kRow, "/bin/true")), "ended without an answer");
}

TEST_CASE("bench refuses a filter that leaves no row, and lists the rows") {
  CHECK_ERROR(apps::bench(brief("resnet2000", "/nowhere")), "no row's name contains 'resnet2000'");
  CHECK_ERROR(apps::bench_conv(brief("7x7", "/nowhere")), "depthwise");
}

TEST_CASE("bench measures an empty step without a peer") {
  const auto row = cells(apps::bench(brief("empty step", "/nowhere")), "lenet_300_100 empty step, batch 1");
  REQUIRE(row.size() == 6);
  CHECK(std::stod(row[0]) > 0);
  CHECK(row[1] == "us");
}

TEST_CASE("bench conv counts the operations of a direct convolution") {
  const FakePeer fake(kHello, R"({"rate": 1000.0, "form": "NCHW"})");
  const std::string table = apps::bench_conv(brief("64 x 2²", fake.python));
  INFO(table);
  const auto row = cells(table, "64 x 2², 512 -> 512, 3x3");
  REQUIRE(row.size() == 12);
  // 2 x 64 x 2 x 2 x 512 x 512 x 9 operations, a thousand times a second.
  for (const size_t peer : {2, 6, 10}) CHECK(row[peer] == "1208");
  for (const size_t own : {0, 1, 4, 5, 8, 9}) CHECK(std::stod(row[own]) > 0);
}

TEST_CASE("bench pruned weighs the speed-up against the reduction in FLOPs") {
  const test::TemporaryFolder folder;
  const auto save = [&](const std::string& name, const Shape& image, double width) {
    layers::Network network = layers::make_model("lenet_300_100", {.image = image, .width = width});
    network.initialise(layers::Initialiser::kaiming_uniform, 1, Device::cpu);
    save_network(folder.path() / name, network);
    return folder.path() / name;
  };
  apps::PrunedBenchOptions options;
  options.repeats = 1;
  options.seconds = 0.001;
  options.batch_size = 8;
  options.dense = save("dense.safetensors", {28, 28, 1}, 1);
  options.pruned = save("pruned.safetensors", {28, 28, 1}, 0.5);
  const std::string table = apps::bench_pruned(options);
  INFO(table);
  // 784 x 300 + 300 x 100 + 100 x 10 multiplications, and 784 x 150 + 150 x 50 + 50 x 10.
  CHECK(contains(table, "266,200"));
  CHECK(contains(table, "125,600"));
  CHECK(contains(table, "2.12x fewer"));
  CHECK(contains(table, "2.12x reduction in FLOPs whose goal is 80 %"));
  CHECK(contains(table, "of it in inference"));
  CHECK(contains(table, "of it in training"));
  CHECK(contains(table, "median of single steps in turn, 1 times 0.001 s of them"));
  options.pruned = options.dense;
  CHECK(contains(apps::bench_pruned(options), "nothing was removed"));
  options.pruned = save("other.safetensors", {32, 32, 1}, 0.5);
  CHECK_ERROR(apps::bench_pruned(options), "takes (32, 32, 1)");
}

TEST_CASE(
    "PyTorch's side of bench measures networks of our size in training and inference, and convolutions") {
  const std::string python = BenchOptions{}.python;
  const std::string networks = apps::bench(brief("lenet_300_100", python));
  if (contains(networks, "not compared")) SKIP_TEST(networks);
  INFO(networks);
  for (const char* row : {"lenet_300_100 training, batch 64", "lenet_300_100 inference, batch 1"})
    CHECK(contains(fmt::format("{}", fmt::join(cells(networks, row), " ")), "images/s (N"));
  const auto row = cells(apps::bench_conv(brief("64 x 2²", python)), "64 x 2², 512 -> 512, 3x3");
  REQUIRE(row.size() == 12);
  for (const size_t peer : {2, 6, 10}) CHECK(std::stod(row[peer]) > 0);
}
