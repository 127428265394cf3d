#include "apps/bench/command.h"

#include <omp.h>

#include <CLI/CLI.hpp>

#include "apps/bench/bench.h"
#include "apps/bench/conv.h"
#include "apps/bench/data.h"
#include "apps/bench/pruned.h"
#include "apps/console.h"

namespace espalier::apps {
namespace {

void add_measuring(CLI::App& app, BenchOptions& options) {
  app.add_option("--repeats", options.repeats, "runs of each side; the median counts")
      ->check(CLI::Range(1, 99))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "length of one run")
      ->check(CLI::Range(0.001, 600.0))
      ->capture_default_str();
  app.add_option("-o,--output", options.output, "also write the table, as Markdown, to this file");
}

void add_python(CLI::App& app, BenchOptions& options, const std::string& library) {
  app.add_option("--python", options.python, "the interpreter that has " + library)->capture_default_str();
}

void add_only(CLI::App& app, BenchOptions& options) {
  app.add_option("--only", options.only, "only the rows whose name contains this");
}

void add_threads(CLI::App& app) {
  app.add_option_function<int>(
         "--threads", [](int threads) { omp_set_num_threads(threads); },
         "how many threads each side uses; all cores unless given")
      ->check(CLI::Range(1, 1024));
}

void add_data_bench(CLI::App& bench) {
  auto* app = bench.add_subcommand(
      "data", "Measure how fast one thread prepares training images, beside torchvision");
  app->footer("Example:\n  espalier bench data --images ~/data/imagenet/val");
  auto options = std::make_shared<DataBenchOptions>();
  app->add_option("--images", options->images, "a folder of <class>/*.jpg")->required();
  add_measuring(*app, *options);
  add_python(*app, *options, "torchvision");
  app->callback([options] { print(bench_data(*options)); });
}

void add_conv_bench(CLI::App& bench) {
  auto* app = bench.add_subcommand(
      "conv", "Measure the GFLOP/s of convolutions and their gradients, beside PyTorch's");
  app->footer("Example:\n  espalier bench conv --only '3x3 stride 2'");
  auto options = std::make_shared<BenchOptions>();
  options->seconds = 0.2;
  add_only(*app, *options);
  add_measuring(*app, *options);
  add_python(*app, *options, "PyTorch");
  add_threads(*app);
  app->callback([options] { print(bench_conv(*options)); });
}

void add_pruned_bench(CLI::App& bench) {
  auto* app = bench.add_subcommand(
      "pruned", "Measure what pruning won: speed beside FLOPs, of a network and of what is left of it");
  app->footer("Example:\n  espalier bench pruned dense.safetensors runs/mine/model.safetensors");
  auto options = std::make_shared<PrunedBenchOptions>();
  app->add_option("dense", options->dense, "a .safetensors or .esp file")->required();
  app->add_option("pruned", options->pruned, "another")->required();
  app->add_option("--batch-size", options->batch_size, "images of a step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  add_measuring(*app, *options);
  app->get_option("--repeats")->description("how many times --seconds of single steps the two take in turn");
  app->get_option("--seconds")->description("of steps of the first, for each repeat; the median step counts");
  add_threads(*app);
  app->callback([options] { print(bench_pruned(*options)); });
}

}  // namespace

void add_bench(CLI::App& program) {
  auto* app = program.add_subcommand(
      "bench", "Measure the speed of networks beside PyTorch's, alternating, in one run, against goals");
  app->footer("Example:\n  espalier bench --only resnet20 --threads 2");
  auto options = std::make_shared<BenchOptions>();
  add_only(*app, *options);
  add_measuring(*app, *options);
  add_python(*app, *options, "PyTorch");
  add_threads(*app);
  add_conv_bench(*app);
  add_data_bench(*app);
  add_pruned_bench(*app);
  app->callback([options, app] {
    if (app->get_subcommands().empty()) print(bench(*options));
  });
}

}  // namespace espalier::apps
