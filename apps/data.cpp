#include "apps/data.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "apps/console.h"
#include "datasets/packed.h"

namespace espalier::apps {
namespace {

namespace fs = std::filesystem;

void add_pack(CLI::App& data) {
  auto* app = data.add_subcommand(
      "pack", "Decode a folder's images, of one size, into the file that is read instead of them");
  app->footer("Example:\n  espalier data pack ~/data/cifar10-jpeg");
  auto folder = std::make_shared<fs::path>();
  auto output = std::make_shared<fs::path>();
  app->add_option("folder", *folder, "holds train/<class>/* and test/<class>/* (or val/)")->required();
  app->add_option("-o,--output", *output,
                  "DIR/packed.safetensors unless given; only under that name is it found");
  app->callback([folder, output] {
    const datasets::PackedImages images = datasets::pack(datasets::list_image_folders(*folder), false);
    for (const std::string& note : images.notes) fmt::print(stderr, "{}\n", note);
    const fs::path path = output->empty() ? *folder / datasets::kPackedName : *output;
    datasets::write_packed(path, images);
    print(fmt::format("{}: {} training and {} test images of shape {}, {} classes\n", path.string(),
                      images.train.labels.size(), images.test.labels.size(),
                      images.train.image_shape.to_string(), images.classes.size()));
  });
}

}  // namespace

void add_data(CLI::App& program) {
  auto* app = program.add_subcommand("data", "Prepare data sets");
  app->require_subcommand(1);
  add_pack(*app);
}

}  // namespace espalier::apps
