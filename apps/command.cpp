#include "apps/command.h"

#include <omp.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/bench/command.h"
#include "apps/common_options.h"
#include "apps/console.h"
#include "apps/data.h"
#include "apps/groups.h"
#include "apps/import.h"
#include "apps/inspect.h"
#include "apps/pipeline.h"
#include "apps/predict.h"
#include "apps/profile.h"
#include "apps/sensitivity.h"
#include "apps/stages.h"
#include "apps/tables/command.h"
#include "apps/tables/table.h"
#include "apps/text_table.h"
#include "apps/version.h"
#include "core/backend.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "interchange/mapping.h"
#include "interchange/onnx.h"
#include "layers/models.h"
#include "pruning/channel_criterion.h"
#include "pruning/criterion.h"
#include "training/evaluate.h"
#include "training/paths.h"

namespace espalier::apps {
namespace {

std::string data_fault(const std::string& name) {
  return name.find('/') == std::string::npos ? one_of(datasets::sources())(name) : "";
}

std::string assignment_fault(const std::string& text) {
  return text.find('=') == std::string::npos ? fmt::format("'{}' is no assignment; expected key=value", text)
                                             : "";
}

void add_run(CLI::App& program, CommonOptions& common) {
  auto* app = program.add_subcommand("run", "Run the stages of a recipe");
  app->footer(
      "Example:\n  espalier run apps/recipes/quickstart.toml --out runs/quickstart --set stage.1.epochs=5");
  auto options = std::make_shared<RunOptions>();
  auto seed = std::make_shared<std::optional<uint64_t>>();
  app->add_option("recipe", options->recipe, "the recipe, a TOML file")->required();
  app->add_option("--out", options->out, "the run's folder; runs/<recipe> unless given");
  app->add_option("--seed", *seed, "instead of the recipe's seed")->check(kSeeds);
  app->add_option("--set", options->assignments, "change a value of the recipe: stage.3.epochs=5")
      ->allow_extra_args(false)
      ->check(assignment_fault);
  app->add_flag("--resume", options->resume,
                "continue the run in the folder, to the same bits as if it had never stopped");
  app->add_flag(
      "!--no-replay", options->replay_steps,
      "ask a CUDA device for each operation of each training step, instead of recording a step as a "
      "graph and replaying it; the results are the same");
  auto trace = std::make_shared<std::string>();
  auto by_layer = std::make_shared<bool>(false);
  app->add_flag(
      "--profile{}", *trace,
      "print where the time went, operation by operation, and write a trace for chrome://tracing or "
      "Perfetto: profile.json in the run's folder, or --profile=FILE");
  app->add_flag("--profile-layers", *by_layer, "as --profile, layer by layer");
  common.add_to(*app);
  common.add_data_dir(*app);
  app->callback([=, &common] {
    common.apply();
    options->seed = *seed;
    options->device = device_from_name(common.device);
    options->data_dir = common.data_dir;
    if (options->out.empty()) options->out = std::filesystem::path("runs") / options->recipe.stem();
    const std::atomic<bool>& interrupted = stop_on_signals();
    const bool profiled = app->count("--profile") > 0 || *by_layer;
    if (profiled) profile::start();
    std::optional<Interrupted> stopped;
    try {
      run(*options, interrupted);
    } catch (const Interrupted& interruption) {
      stopped = interruption;
    }
    if (profiled) {
      const profile::Recording recording = profile::stop();
      print(profile_table(recording, *by_layer));
      write_trace(trace->empty() ? paths::profile(options->out) : std::filesystem::path(*trace), recording);
    }
    if (stopped)
      fail("{}; everything is saved in {}: continue by adding --resume to the same command", stopped->what(),
           options->out.string());
    print(fmt::format("Done: {}\n", options->out.string()));
  });
}

void add_evaluate(CLI::App& program, CommonOptions& common) {
  auto* app = program.add_subcommand("evaluate", "Measure a model's accuracy on a data set's test images");
  app->footer("Example:\n  espalier evaluate runs/quickstart/model.esp --data fashion_mnist");
  auto model = std::make_shared<std::string>();
  auto data = std::make_shared<std::string>();
  auto data_options = std::make_shared<datasets::DataOptions>();
  auto as_json = std::make_shared<bool>(false);
  app->add_option("model", *model, "a .safetensors or .esp file")->required();
  app->add_option("--data", *data,
                  "a data set's name, see `espalier list datasets`, or a folder of images, with a /")
      ->required()
      ->check(data_fault);
  app->add_option("--image-size", data_options->image_size,
                  "of a folder of images: resize them, as [data] image_size does")
      ->check(CLI::Range(1, 4096));
  add_normalisation(*app, data_options->normalisation);
  app->add_flag("--strict", data_options->strict, "images that cannot be read are errors, not left out");
  app->add_flag("--json", *as_json, "print JSON");
  common.add_to(*app);
  common.add_data_dir(*app);
  app->callback([=, &common] {
    common.apply();
    LoadedModel loaded = load(*model, device_from_name(common.device));
    data_options->data_dir = common.data_dir;
    const datasets::Split split = load_data_for(loaded.model.network, *data, *data_options);
    const Evaluation result = evaluate(loaded.model.network, split.test, loaded.model.device());
    if (*as_json) {
      print(nlohmann::json{{"model", *model},
                           {"data", *data},
                           {"images", result.images},
                           {"correct", result.correct},
                           {"accuracy", result.accuracy()},
                           {"top5_accuracy", result.top5_accuracy()},
                           {"loss", result.loss}}
                .dump(1) +
            "\n");
    } else {
      print(fmt::format("{} on {}: accuracy {} (error {}), top-5 {}, loss {:.4f}, {} images\n", *model, *data,
                        percent(result.accuracy()), percent(1 - result.accuracy()),
                        percent(result.top5_accuracy()), result.loss, result.images));
    }
  });
}

void add_inspect(CLI::App& program) {
  auto* app = program.add_subcommand("inspect",
                                     "Show a model layer by layer: shapes, nonzeros, FLOPs, bits and bytes");
  app->footer(
      "Example:\n  espalier inspect runs/quickstart/model.esp\n"
      "  espalier inspect runs/fpgm/model.safetensors --before networks/resnet20.safetensors");
  auto model = std::make_shared<std::string>();
  auto before = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  app->add_option("model", *model, "a .safetensors or .esp file")->required();
  app->add_option(
      "--before", *before,
      "the model that it was pruned from: what was saved of parameters, FLOPs, bytes and milliseconds");
  app->add_flag("--json", *as_json, "print JSON");
  app->callback([=] {
    LoadedModel loaded = load(*model, Device::cpu);
    nlohmann::json inspected = inspect(loaded);
    std::string text = inspect_text(inspected);
    if (!before->empty()) {
      inspected["savings"] = savings(load(*before, Device::cpu), loaded, Device::cpu);
      text += "\n" + savings_text(inspected["savings"]);
    }
    print(*as_json ? inspected.dump(1) + "\n" : text);
  });
}

// What a model can be written as, for other programs.
struct ExportFormat {
  std::string_view name, description;
  void (*write)(const std::string& file, layers::Network& network);
};

constexpr ExportFormat kExportFormats[] = {
    {"safetensors-torch", "a state_dict in PyTorch's layouts",
     [](const std::string& file, layers::Network& network) {
       write_safetensors(file, {interchange::torch_state(network), {{"format", "pt"}}});
     }},
    {"onnx", "the whole network for inference, operator set 13",
     [](const std::string& file, layers::Network& network) { interchange::write_onnx(file, network); }},
};

void add_export(CLI::App& program) {
  auto* app = program.add_subcommand("export", "Write a model for other programs");
  app->footer("Example:\n  espalier export runs/mine/model.esp --format onnx -o mine.onnx");
  auto model = std::make_shared<std::string>();
  auto format = std::make_shared<std::string>();
  auto out = std::make_shared<std::string>();
  std::string formats;
  for (const ExportFormat& row : kExportFormats)
    formats += fmt::format("{}{}: {}", formats.empty() ? "" : "; ", row.name, row.description);
  app->add_option("model", *model, "a .safetensors or .esp file")->required();
  app->add_option("--format", *format, formats)->required()->check(one_of(kExportFormats));
  app->add_option("-o,--output", *out, "the file to write")->required();
  app->callback([model, out, format] {
    LoadedModel loaded = load(*model, Device::cpu);
    for (const ExportFormat& row : kExportFormats)
      if (row.name == *format) row.write(*out, loaded.model.network);
  });
}

template <typename Rows>
void print_rows(const Rows& rows) {
  for (const auto& row : rows) print(fmt::format("{:<22} {}\n", row.name, row.description));
}

void add_list(CLI::App& program) {
  auto* app = program.add_subcommand(
      "list", "List what there is: models, datasets, stages, criteria, channel-criteria, layers or tables");
  app->footer("Example:\n  espalier list stages");
  auto kind = std::make_shared<std::string>();
  app->add_option("kind", *kind)
      ->required()
      ->check(CLI::IsMember(
          {"models", "datasets", "stages", "criteria", "channel-criteria", "layers", "tables"}));
  app->callback([=] {
    if (*kind == "models") print_rows(layers::models());
    if (*kind == "datasets") {
      print_rows(datasets::sources());
      print(fmt::format("{:<22} {}\n", "DIR/",
                        "any folder of images, by its path: train/<class>/*, test/<class>/* (or val/)"));
    }
    if (*kind == "stages") print_rows(stages());
    if (*kind == "criteria") print_rows(pruning::criteria());
    if (*kind == "channel-criteria") print_rows(pruning::channel_criteria());
    if (*kind == "layers") print_rows(layers::layer_types());
    if (*kind == "tables") print_rows(tables());
  });
}

void add_devices(CLI::App& program) {
  auto* app = program.add_subcommand("devices", "List what can compute: usable, or why not");
  app->footer("Example:\n  espalier devices");
  app->callback([] {
    for (Device device : kDevices) {
      std::string line;
      try {
        line = backend(device).description();
      } catch (const Error& error) {
        line = error.what();
      }
      print(fmt::format("{:<10} {}\n", name(device), line));
    }
  });
}

}  // namespace

int command(int argc, char** argv) {
  CLI::App program("Espalier trains small vision networks, prunes them and compresses them.", "espalier");
  program.require_subcommand(1);
  program.set_version_flag("--version", fmt::format("espalier {} ({})", version(), commit()));
  program.footer("Example:\n  espalier run apps/recipes/quickstart.toml\nEach command has its own --help.");
  CommonOptions common;
  add_run(program, common);
  add_evaluate(program, common);
  add_predict(program);
  add_inspect(program);
  add_groups(program);
  add_sensitivity(program, common);
  add_import(program);
  add_export(program);
  add_data(program);
  add_list(program);
  add_devices(program);
  add_table(program, common);
  add_bench(program);
  try {
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::fputs(fmt::format("espalier: {}\n", error.what()).c_str(), stderr);
    return 1;
  }
}

}  // namespace espalier::apps
