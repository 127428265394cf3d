#include "apps/data.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "apps/console.h"
#include "datasets/get.h"
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

// One line on a terminal that redraws itself; nothing elsewhere.
class DownloadLine {
 public:
  ~DownloadLine() {
    if (drawn_) std::fputs("\r\033[K", stdout);
  }
  void draw(std::string_view name, uint64_t bytes, uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || (drawn_ && bytes < total && now - *drawn_ < std::chrono::milliseconds(100))) return;
    drawn_ = now;
    const auto megabytes = [](uint64_t count) { return static_cast<double>(count) / 1e6; };
    print(fmt::format("\r{}  {:.1f} of {:.1f} MB\033[K", name, megabytes(bytes), megabytes(total)));
  }

 private:
  bool terminal_ = isatty(STDOUT_FILENO) != 0;
  std::optional<std::chrono::steady_clock::time_point> drawn_;
};

const datasets::Source& published_source(const std::string& name) {
  for (const datasets::Source& source : datasets::sources())
    if (source.name == name) return source;
  fail("[data] unknown data set '{}'", name);
}

void add_get(CLI::App& data) {
  auto* app = data.add_subcommand("get", "Download a data set's files, check and unpack them");
  app->footer(
      "Example:\n  espalier data get cifar10 --data-dir ~/data\nWhat is there already is left alone; a "
      "download that was stopped goes on where it was.");
  std::vector<std::string> names;
  for (const datasets::Source& source : datasets::sources())
    if (!source.published.files.empty()) names.emplace_back(source.name);
  struct Options {
    std::string name, data_dir, mirror;
  };
  auto options = std::make_shared<Options>();
  app->add_option("name", options->name, "the data set")->required()->check(CLI::IsMember(names));
  app->add_option("--data-dir", options->data_dir, "the folder for data sets; else $ESPALIER_DATA");
  app->add_option("--mirror", options->mirror,
                  "an address that has the same files, http://… or https://…, instead of the publisher's");
  app->callback([options] {
    const char* variable = std::getenv("ESPALIER_DATA");
    if (options->data_dir.empty() && variable != nullptr) options->data_dir = variable;
    check(!options->data_dir.empty(),
          "[data] no folder to put the files into: pass --data-dir DIR or set "
          "ESPALIER_DATA=DIR");
    bool fetched = false;
    {
      DownloadLine line;
      fetched = datasets::get(
          published_source(options->name), options->data_dir, options->mirror,
          [&](std::string_view name, uint64_t bytes, uint64_t total) { line.draw(name, bytes, total); });
    }
    print(fmt::format("{}: {} in {}\n", options->name, fetched ? "everything is" : "everything was already",
                      options->data_dir));
  });
}

}  // namespace

void add_data(CLI::App& program) {
  auto* app = program.add_subcommand("data", "Prepare data sets");
  app->footer("Example:\n  espalier data get cifar10 --data-dir ~/data");
  app->require_subcommand(1);
  add_get(*app);
  add_pack(*app);
}

}  // namespace espalier::apps
