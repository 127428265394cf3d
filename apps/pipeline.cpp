#include "apps/pipeline.h"

#include <chrono>

#include "apps/console.h"
#include "apps/load.h"
#include "apps/report.h"
#include "apps/stages.h"
#include "apps/version.h"
#include "core/backend.h"
#include "core/io/file.h"
#include "layers/models.h"
#include "training/paths.h"

namespace espalier::apps {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

datasets::Augmentation read_augmentation(const Config& table) {
  const Config jitter = table.table("color_jitter", false);
  const datasets::Augmentation augmentation{
      .random_resized_crop = table.get_number("random_resized_crop", 0.0, 0.0, 1.0),
      .color_jitter = {.brightness = jitter.get_number("brightness", 0.0, 0.0),
                       .contrast = jitter.get_number("contrast", 0.0, 0.0),
                       .saturation = jitter.get_number("saturation", 0.0, 0.0)},
      .pad_crop = table.get_integer("pad_crop", 0, 0),
      .flip = table.get_bool("flip", false),
      .cutout = table.get_integer("cutout", 0, 0)};
  jitter.finish();
  table.finish();
  return augmentation;
}

constexpr const char* kCheckpointStage = "checkpoint";

// A recipe, read whole before anything runs.
struct Recipe {
  std::string name, data_name, text;
  std::string model_name;  // of the zoo, or
  fs::path checkpoint;     // a model file to start from
  double width = 1;
  uint64_t seed = 1;
  datasets::DataOptions data;
  layers::Initialiser initialiser{};
  std::vector<RecipeStage> stages;
  // Where warnings of the data go: the run's log, once there is one.
  std::shared_ptr<std::function<void(const std::string&)>> warn =
      std::make_shared<std::function<void(const std::string&)>>(
          [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
};

Recipe read_recipe(const RunOptions& options) {
  Config config = Config::from_file(options.recipe);
  if (options.seed) config.set(fmt::format("seed={}", *options.seed));
  for (const std::string& assignment : options.assignments) config.set(assignment);

  Recipe recipe;
  recipe.name = config.get_string("name", options.recipe.stem().string());
  recipe.seed = static_cast<uint64_t>(config.get_integer("seed", 1, 0));
  const Config data = config.table("data");
  recipe.data_name = data.get_string("name");
  recipe.data = {.data_dir = options.data_dir,
                 .validation = data.get_integer("validation", 0, 0),
                 .limit = data.get_integer("limit", 0, 0),
                 .seed = recipe.seed,
                 .normalisation = {data.get_numbers("mean", std::vector<double>{}),
                                   data.get_numbers("std", std::vector<double>{})},
                 .strict = data.get_bool("strict", false),
                 .image_size = data.get_integer("image_size", 0, 0),
                 .resize = data.get_integer("resize", 0, 0),
                 .augmentation = read_augmentation(data.table("augment", false)),
                 .warn = [warn = recipe.warn](const std::string& line) { (*warn)(line); }};
  data.finish();
  const Config model = config.table("model");
  if (model.has("checkpoint")) {
    recipe.checkpoint = model.get_string("checkpoint");
  } else {
    recipe.model_name = model.get_string("name");
    recipe.width = model.get_number("width", 1, 1e-3, 64);
    recipe.initialiser = layers::initialiser_from_name(
        model.get_choice("initialiser", layers::initialiser_names(), "kaiming_normal"));
  }
  model.finish();
  recipe.stages = read_stages(config);
  config.finish();
  recipe.text = config.to_text();
  return recipe;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  check(!error, "{}: the folder cannot be made: {}", folder.string(), error.message());
}

// Takes possession of the run's folder, or of the run that is in it.
void claim(const fs::path& out, const std::string& recipe, bool resume) {
  make_folder(out);
  const fs::path path = paths::recipe(out);
  if (!fs::exists(path)) {
    write_file(path, recipe);
    return;
  }
  check(resume, "{}: holds a run already; continue it with --resume, or name another folder with --out",
        out.string());
  check(read_text(path) == recipe,
        "{}: differs from the recipe, seed and settings given now; resume with those of the run",
        path.string());
}

json read_json(const fs::path& path) {
  try {
    return json::parse(read_text(path));
  } catch (const json::exception& error) {
    fail("{}: not JSON: {}", path.string(), error.what());
  }
}

class Pipeline {
 public:
  Pipeline(const RunOptions& options, Recipe& recipe, const std::atomic<bool>& interrupted)
      : options_(options), recipe_(recipe), interrupted_(interrupted), console_(paths::log(options.out)) {}

  json run(Model model, const datasets::Split& data) {
    *recipe_.warn = [this](const std::string& line) { console_.line(line); };
    for (const std::string& note : data.notes) console_.line(note);
    model_name_ = model.network.name();
    first_ = layers::Network::from_description(model.network.description(), "[run]");
    console_.line(fmt::format("{}: {} on {}, {} training images, seed {}", recipe_.name, model_name_,
                              recipe_.data_name, data.train->size(), recipe_.seed));
    const size_t finished = skip_finished();
    if (finished > 0 || (starts_from_checkpoint() && !rows_.empty())) {
      model = load_model(folder(finished), options_.device);
    } else if (starts_from_checkpoint()) {
      finish_stage(0, model, data, json::object());
    } else {
      model.network.initialise(recipe_.initialiser, recipe_.seed, options_.device);
    }
    for (size_t number = finished + 1; number <= recipe_.stages.size(); ++number)
      run_stage(number, model, data);
    return finish();
  }

 private:
  bool starts_from_checkpoint() const { return !recipe_.checkpoint.empty(); }

  // Stage 0 is the checkpoint that the recipe starts from, where it does.
  fs::path folder(size_t number) const {
    return paths::stage(options_.out, number,
                        number == 0 ? kCheckpointStage : recipe_.stages[number - 1].type);
  }

  size_t skip_finished() {
    if (starts_from_checkpoint() && fs::exists(paths::done(folder(0))))
      rows_.push_back(read_json(paths::done(folder(0))));
    size_t number = 0;
    while (number < recipe_.stages.size() && fs::exists(paths::done(folder(number + 1))))
      rows_.push_back(read_json(paths::done(folder(++number))));
    if (number > 0)
      console_.line(fmt::format("{} of {} stages are done already\n\n{}", number, recipe_.stages.size(),
                                report(rows_)));
    return number;
  }

  void run_stage(size_t number, Model& model, const datasets::Split& data) {
    const RecipeStage& stage = recipe_.stages[number - 1];
    const fs::path path = folder(number);
    make_folder(path);
    console_.line(fmt::format("-- stage {}/{}: {}", number, recipe_.stages.size(), stage.type));
    const auto start = std::chrono::steady_clock::now();
    StageContext context{.model = model,
                         .data = data,
                         .seed = recipe_.seed,
                         .number = number,
                         .folder = path,
                         .reporter = console_,
                         .interrupted = interrupted_,
                         .replay_steps = options_.replay_steps};
    stage.stage->run(context);
    context.metrics["seconds"] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    finish_stage(number, model, data, context.metrics);
    fs::remove(paths::checkpoint(path));  // done.json stands now, so nothing needs it
  }

  // Saves and measures the model, and writes the stage's row of the report.
  void finish_stage(size_t number, Model& model, const datasets::Split& data, const json& metrics) {
    const fs::path path = folder(number);
    make_folder(path);
    save_model(path, model);
    const fs::path artifact =
        fs::exists(paths::compressed(path)) ? paths::compressed(path) : paths::model(path);
    json row = measure(model, evaluate(model.network, data.test, options_.device), fs::file_size(artifact));
    row["stage"] = path.filename().string();
    if (model.network.flops() != first_->flops())
      row["speed"] = measure_speed(model.network, *first_, options_.device);
    row.update(metrics);
    write_file(paths::done(path), row.dump(1) + "\n");
    rows_.push_back(std::move(row));
    console_.line("\n" + report(rows_));
  }

  // Gathers the stages' files at the top of the run's folder.
  json finish() {
    std::string metrics;
    for (size_t number = 1; number <= recipe_.stages.size(); ++number) {
      const fs::path path = folder(number);
      if (fs::exists(paths::metrics(path))) metrics += read_text(paths::metrics(path));
      if (fs::exists(paths::compressed(path)))
        write_file(paths::compressed(options_.out), read_file(paths::compressed(path)));
    }
    write_file(paths::metrics(options_.out), metrics);
    write_file(paths::model(options_.out), read_file(paths::model(folder(recipe_.stages.size()))));
    const json summary = {{"espalier", version()},
                          {"commit", commit()},
                          {"machine", machine()},
                          {"device", std::string(name(options_.device))},
                          {"precision", std::string(name(backend(options_.device).precision()))},
                          {"recipe", recipe_.name},
                          {"model", model_name_},
                          {"data", recipe_.data_name},
                          {"seed", recipe_.seed},
                          {"settings", recipe_.text},
                          {"stages", rows_}};
    write_file(paths::summary(options_.out), summary.dump(1) + "\n");
    return summary;
  }

  const RunOptions& options_;
  Recipe& recipe_;
  const std::atomic<bool>& interrupted_;
  Console console_;
  std::string model_name_;
  std::optional<layers::Network> first_;  // without weights: what the run began with
  json rows_ = json::array();
};

}  // namespace

json run(const RunOptions& options, const std::atomic<bool>& interrupted) {
  // Whatever can be wrong is found before the run's folder is touched.
  Recipe recipe = read_recipe(options);
  static_cast<void>(backend(options.device));
  std::optional<Model> model;
  if (!recipe.checkpoint.empty()) {
    // A resumed run goes on from its own copy, whatever became of the file.
    const fs::path copy = paths::stage(options.out, 0, kCheckpointStage);
    model = options.resume && fs::exists(paths::done(copy)) ? load_model(copy, options.device)
                                                            : load(recipe.checkpoint, options.device).model;
    prefer_normalisation_of(model->network, recipe.data);
  }
  const datasets::Split data = datasets::load(recipe.data_name, recipe.data);
  if (!model)
    model = Model{layers::make_model(recipe.model_name, {.image = data.train->image_shape(),
                                                         .classes = data.train->classes(),
                                                         .width = recipe.width}),
                  {},
                  {}};
  layers::Network& network = model->network;
  check_fits(network, recipe.data_name, data);
  network.set_normalisation(data.normalisation);
  network.set_labels(data.labels);
  for (const RecipeStage& stage : recipe.stages) stage.stage->check(network, data);
  claim(options.out, recipe.text, options.resume);
  return Pipeline(options, recipe, interrupted).run(std::move(*model), data);
}

}  // namespace espalier::apps
