#include "apps/import.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/console.h"
#include "core/io/file.h"
#include "interchange/mapping.h"
#include "layers/models.h"
#include "training/model.h"

namespace espalier::apps {
namespace {

struct ImportOptions {
  std::string file, model, labels, map, out;
  std::vector<int64_t> image{32, 32, 3};
  int classes = 10;
  double width = 1;
  Normalisation normalisation;
};

void import(const ImportOptions& options) {
  layers::Network network = layers::make_model(
      options.model, {.image = Shape(options.image), .classes = options.classes, .width = options.width});
  if (!options.normalisation.mean.empty() || !options.normalisation.standard_deviation.empty())
    network.set_normalisation(options.normalisation);
  if (!options.labels.empty()) network.set_labels(read_lines(options.labels, uint64_t{1} << 20));
  const interchange::NameRules rules =
      options.map.empty() ? interchange::NameRules{} : interchange::read_name_rules(options.map);
  const interchange::Checkpoint checkpoint = interchange::read_checkpoint(options.file);
  const interchange::Filled filled = interchange::fill_network(checkpoint, network, options.file, rules);
  save_network(options.out, network);
  print(fmt::format("{}: {} parameters of '{}'\n", options.out, network.parameter_count(), options.model));
  if (!filled.prefix.empty()) print(fmt::format("Stripped from every name: {}\n", filled.prefix));
  if (!filled.ignored.empty()) print(fmt::format("Not used: {}\n", fmt::join(filled.ignored, ", ")));
  if (!checkpoint.ignored.empty()) print(fmt::format("Left out: {}\n", fmt::join(checkpoint.ignored, ", ")));
}

}  // namespace

void add_normalisation(CLI::App& app, Normalisation& normalisation) {
  app.add_option("--mean", normalisation.mean, "of pixel / 255, a number per channel: 0.485,0.456,0.406")
      ->delimiter(',');
  app.add_option("--std", normalisation.standard_deviation,
                 "likewise; pixels become (pixel / 255 - mean) / std")
      ->delimiter(',');
}

void add_import(CLI::App& program) {
  auto* app = program.add_subcommand(
      "import", "Turn a checkpoint of PyTorch, NumPy (.npz) or safetensors into a model");
  app->footer(
      "Example:\n  espalier import resnet20.th --model resnet20 --mean 0.485,0.456,0.406 --std "
      "0.229,0.224,0.225 -o resnet20.safetensors\nA map is a TOML file of ignore = [\"aux\"] and a table "
      "[rename] of \"their.name\" = \"our.name\"; a name stands for all that continue it after a dot.");
  auto options = std::make_shared<ImportOptions>();
  app->add_option("file", options->file, "the checkpoint; nothing in it is run")->required();
  app->add_option("--model", options->model, "what it holds the weights of, see `espalier list models`")
      ->required();
  app->add_option("--image", options->image, "height,width,channels")
      ->delimiter(',')
      ->expected(3)
      ->capture_default_str();
  app->add_option("--classes", options->classes)->check(CLI::Range(1, 1 << 16))->capture_default_str();
  app->add_option("--width", options->width, "multiplies the channels of hidden layers")
      ->check(CLI::Range(1e-3, 64.0))
      ->capture_default_str();
  add_normalisation(*app, options->normalisation);
  app->add_option("--labels", options->labels, "a file of the classes' names, one a line");
  app->add_option("--map", options->map, "rules for names that differ from the model's");
  app->add_option("-o,--output", options->out, "the .safetensors file to write")->required();
  app->callback([options] { import(*options); });
}

}  // namespace espalier::apps
