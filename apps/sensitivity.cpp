#include "apps/sensitivity.h"

#include <algorithm>

#include "apps/common_options.h"
#include "apps/console.h"
#include "apps/load.h"
#include "apps/svg.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/random.h"

namespace espalier::apps {
namespace {

using pruning::GroupSensitivity;
using pruning::Sensitivity;

struct SensitivityOptions {
  std::string model, data, criterion = "l1", svg, recipe;
  std::vector<double> shares{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
  int64_t images = 2000, samples = 512;
  double loss = 1;  // in points
  uint64_t seed = 1;
  PageOptions page;
};

Sensitivity measure(const SensitivityOptions& options, const CommonOptions& common) {
  LoadedModel loaded = load(options.model, device_from_name(common.device));
  layers::Network& network = loaded.model.network;
  check(loaded.model.masks.empty() && loaded.model.codebooks.empty(),
        "{}: weights are held by masks or codebooks; expected a model without", options.model);
  const datasets::Split split = load_data_for(network, options.data, {.data_dir = common.data_dir});
  std::vector<int64_t> indices = RandomStream(options.seed, "sensitivity").permutation(split.train->size());
  indices.resize(static_cast<size_t>(std::min(options.images, split.train->size())));
  const pruning::ChannelCriterionRow& row = pruning::channel_criterion(options.criterion);
  pruning::Samples samples;
  if (row.needs_samples)
    samples = pruning::draw_samples(split.train, options.samples, options.seed, loaded.model.device());
  return pruning::measure_sensitivity(network, *row.make({.seed = options.seed}), samples,
                                      datasets::subset(split.train, indices), options.shares,
                                      loaded.model.device(),
                                      [](const std::string& group) { fmt::print(stderr, "{}\n", group); });
}

}  // namespace

Page sensitivity_page(const Sensitivity& sensitivity, double loss, const std::string& what) {
  std::vector<std::string> header{"group", "channels"};
  for (double share : sensitivity.shares) header.push_back(percent(share, 0));
  header.emplace_back("suggested");
  TextTable table(header);
  for (const GroupSensitivity& group : sensitivity.groups) {
    std::vector<std::string> row{group.group, grouped(group.channels)};
    for (double accuracy : group.accuracies) row.push_back(fmt::format("{:.2f}", 100 * accuracy));
    row.push_back(percent(suggested_share(sensitivity, group, loss), 0));
    table.add(std::move(row));
  }
  return Page()
      .title("Sensitivity to pruning")
      .paragraph(fmt::format(
          "{}: {} whole. Each row prunes one group alone, by the share above, and trains nothing; suggested "
          "is the largest share up to which none costs more than {:.2f} points.",
          what, percent(sensitivity.accuracy), 100 * loss))
      .table(std::move(table));
}

std::string draw_sensitivity(const Sensitivity& sensitivity, const std::string& title) {
  constexpr double kLeft = 60, kTop = 40, kWidth = 480, kHeight = 320, kLegend = 220;
  const double height =
      std::max(kTop + kHeight + 50, kTop + 16 * static_cast<double>(sensitivity.groups.size() + 1));
  Svg svg(kLeft + kWidth + kLegend, height);
  const auto x = [](double share) { return kLeft + share * kWidth; };
  const auto y = [](double accuracy) { return kTop + (1 - accuracy) * kHeight; };
  svg.text(kLeft, 22, title, 14, true);
  for (int tick = 0; tick <= 10; tick += 2) {
    const double value = tick / 10.0;
    svg.path(fmt::format("M{} {}L{} {}", x(0), y(value), x(1), y(value)), "#dddddd");
    svg.text(kLeft - 8, y(value) + 4, fmt::format("{} %", 10 * tick), 11, false, Svg::Anchor::end);
    svg.text(x(value), kTop + kHeight + 18, fmt::format("{} %", 10 * tick), 11, false, Svg::Anchor::middle);
  }
  svg.text(x(0.5), kTop + kHeight + 38, "channels pruned", 12, false, Svg::Anchor::middle);
  for (size_t g = 0; g < sensitivity.groups.size(); ++g) {
    const GroupSensitivity& group = sensitivity.groups[g];
    const std::string colour = Svg::colour(g);
    std::string line = fmt::format("M{} {}", x(0), y(sensitivity.accuracy));
    for (size_t i = 0; i < group.accuracies.size(); ++i) {
      line += fmt::format("L{:.1f} {:.1f}", x(sensitivity.shares[i]), y(group.accuracies[i]));
      svg.circle(x(sensitivity.shares[i]), y(group.accuracies[i]), 2.5, colour);
    }
    svg.path(line, colour);
    const double at = kTop + 16 * static_cast<double>(g);
    svg.rectangle(kLeft + kWidth + 24, at, 10, 10, colour, "none");
    svg.text(kLeft + kWidth + 40, at + 10, group.group, 11, false);
  }
  return svg.document();
}

std::string sensitivity_recipe(const Sensitivity& sensitivity, double loss, const std::string& model,
                               const std::string& data, const std::string& criterion) {
  const auto quoted = [](const std::string& text) {
    return nlohmann::json(text).dump();
  };  // as TOML's strings
  std::string shares;
  for (const GroupSensitivity& group : sensitivity.groups) {
    const double share = suggested_share(sensitivity, group, loss);
    if (share > 0) shares += fmt::format("{} = {}\n", quoted(group.group), share);
  }
  return fmt::format(R"(# The shares up to which no group alone costs more than {:.2f} points, written by
# `espalier sensitivity`. Together they cost more: the training is to bring that back.
name = "sensitivity"

[data]
name = {}

[model]
checkpoint = {}

[[stage]]
type = "prune_channels"
criterion = "{}"
reduction = 0.0  # but for the groups below
epochs = 20
batch_size = 128
learning_rate = 0.01
optimizer = {{ kind = "sgd", momentum = 0.9, weight_decay = 1e-4 }}
schedule = {{ kind = "one_cycle" }}

[stage.layers]
{})",
                     100 * loss, quoted(data), quoted(model), criterion, shares);
}

void add_sensitivity(CLI::App& program, CommonOptions& common) {
  auto* app = program.add_subcommand(
      "sensitivity", "Measure how accuracy falls as one group of channels after another is pruned");
  app->footer(
      "Example:\n  espalier sensitivity runs/resnet20/model.safetensors --data cifar10-jpeg --svg "
      "sensitivity.svg --recipe pruned.toml");
  auto options = std::make_shared<SensitivityOptions>();
  app->add_option("model", options->model, "a .safetensors or .esp file")->required();
  app->add_option("--data", options->data,
                  "a data set's name, see `espalier list datasets`, or a folder of images, with a /")
      ->required();
  app->add_option("--criterion", options->criterion, "see `espalier list channel-criteria`")
      ->check(one_of(pruning::channel_criteria()))
      ->capture_default_str();
  app->add_option("--shares", options->shares, "of the channels that go, increasing")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--images", options->images,
                  "how many training images accuracy is measured on: the test images are to stay unseen")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32))
      ->capture_default_str();
  app->add_option("--samples", options->samples, "training images for a criterion that looks at some")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32))
      ->capture_default_str();
  app->add_option("--loss", options->loss, "points of accuracy that a group's suggested share may cost")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app->add_option("--seed", options->seed, "draws the images")->check(kSeeds)->capture_default_str();
  app->add_option("--svg", options->svg, "a file for a plot");
  app->add_option("--recipe", options->recipe, "a file for a recipe with the shares suggested");
  options->page.add_to(*app);
  common.add_to(*app);
  common.add_data_dir(*app);
  app->callback([options, &common] {
    common.apply();
    check(std::ranges::is_sorted(options->shares), "[sensitivity] --shares {}; expected them increasing",
          fmt::join(options->shares, ","));
    const Sensitivity sensitivity = measure(*options, common);
    const double loss = options->loss / 100;
    const std::string what = fmt::format("{} by {} on {} training images of {}", options->model,
                                         options->criterion, sensitivity.images, options->data);
    if (!options->svg.empty()) write_file(options->svg, draw_sensitivity(sensitivity, what));
    if (!options->recipe.empty())
      write_file(options->recipe,
                 sensitivity_recipe(sensitivity, loss, options->model, options->data, options->criterion));
    options->page.publish(sensitivity_page(sensitivity, loss, what));
  });
}

}  // namespace espalier::apps
