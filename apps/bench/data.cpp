#include "apps/bench/data.h"

#include "core/error.h"
#include "core/random.h"
#include "datasets/augment.h"
#include "datasets/image_files.h"

namespace espalier::apps {
namespace {

const Normalisation kImagenet{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};

// What the peer does under the same name.
struct Preparation {
  std::string name, title;
  std::shared_ptr<const datasets::Dataset> data;
};

Preparation image_files(const DataBenchOptions& options) {
  std::vector<std::string> notes;
  auto files = datasets::open_images(datasets::list_images(options.images),
                                     {.normalisation = kImagenet, .strict = true}, notes);
  return {.name = "files",
          .title = fmt::format("{} image files, crop to 224", files->size()),
          .data = datasets::augmented(std::move(files), {.random_resized_crop = 0.08, .flip = true}, 1)};
}

Preparation cifar() {
  return {.name = "cifar", .title = "32 x 32 in memory, pad and crop", .data = augmented_cifar(1000)};
}

double images_per_second(const datasets::Dataset& data, double seconds) {
  std::vector<float> image(static_cast<size_t>(data.image_shape().numel()));
  int64_t done = 0;
  return rate(
      [&] {
        data.sample(done % data.size(), done / data.size(), image);
        ++done;
      },
      seconds);
}

}  // namespace

std::shared_ptr<const datasets::Dataset> augmented_cifar(int64_t count) {
  const auto images = static_cast<size_t>(count);
  datasets::MemoryImages memory{.image_shape = {32, 32, 3}, .classes = 10, .normalisation = kImagenet};
  RandomStream random(1, "bench");
  for (size_t i = 0; i < images; ++i) memory.labels.push_back(static_cast<int32_t>(i % 10));
  for (size_t i = 0; i < images * 32 * 32 * 3; ++i)
    memory.pixels.push_back(static_cast<uint8_t>(random.below(256)));
  return datasets::augmented(std::make_shared<datasets::MemoryDataset>(std::move(memory), "bench"),
                             {.pad_crop = 4, .flip = true}, 1);
}

std::string bench_data(const DataBenchOptions& options) {
  const std::vector<Preparation> preparations = {image_files(options), cifar()};
  const Opponent opponent = find_opponent(options, "torchvision_peer.py", 1);
  TextTable table({"preparing images", "Espalier images/s", "torchvision images/s", "ratio"});
  for (const Preparation& preparation : preparations) {
    images_per_second(*preparation.data, options.seconds / 10);
    std::vector<std::function<double()>> sides = {
        [&] { return images_per_second(*preparation.data, options.seconds); }};
    if (opponent.peer)
      sides.emplace_back([&] {
        return opponent.peer
            ->ask({{"work", preparation.name},
                   {"folder", options.images.string()},
                   {"seconds", options.seconds}})
            .at("rate")
            .get<double>();
      });
    const std::vector<double> figures = alternate(sides, options.repeats);
    table.add({preparation.title, grouped(std::llround(figures[0])),
               opponent.peer ? grouped(std::llround(figures[1])) : "not compared",
               opponent.peer ? fmt::format("{:.2f}x", figures[0] / figures[1]) : ""});
  }
  return publish(options, "espalier bench data", "Speed of preparing images",
                 "Images that one thread reads, changes at random and normalises.", table, 1, opponent.note);
}

}  // namespace espalier::apps
