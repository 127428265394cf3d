#include "apps/bench/data.h"

#include <chrono>
#include <memory>
#include <vector>

#include "apps/bench/peer.h"
#include "apps/text_table.h"
#include "apps/version.h"
#include "core/io/file.h"
#include "core/random.h"
#include "datasets/augment.h"
#include "datasets/image_files.h"

namespace espalier::apps {
namespace {

using Clock = std::chrono::steady_clock;

const Normalisation kImagenet{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};

// What the peer script does under the same name.
struct Workload {
  std::string name, title;
  std::shared_ptr<const datasets::Dataset> data;
};

Workload image_files(const DataBenchOptions& options) {
  std::vector<std::string> notes;
  auto files = datasets::open_images(datasets::list_images(options.images),
                                     {.normalisation = kImagenet, .strict = true}, notes);
  return {.name = "files",
          .title = fmt::format("{} image files, crop to 224", files->size()),
          .data = datasets::augmented(std::move(files), {.random_resized_crop = 0.08, .flip = true}, 1)};
}

Workload cifar() {
  constexpr size_t kImages = 1000;
  datasets::MemoryImages images{.image_shape = {32, 32, 3}, .classes = 10, .normalisation = kImagenet};
  RandomStream random(1, "bench");
  for (size_t i = 0; i < kImages; ++i) images.labels.push_back(static_cast<int32_t>(i % 10));
  for (size_t i = 0; i < kImages * 32 * 32 * 3; ++i)
    images.pixels.push_back(static_cast<uint8_t>(random.below(256)));
  return {.name = "cifar",
          .title = "32 x 32 in memory, pad and crop",
          .data = datasets::augmented(std::make_shared<datasets::MemoryDataset>(std::move(images), "bench"),
                                      {.pad_crop = 4, .flip = true}, 1)};
}

double images_per_second(const datasets::Dataset& data, double seconds) {
  std::vector<float> image(static_cast<size_t>(data.image_shape().numel()));
  const auto start = Clock::now();
  int64_t done = 0;
  double elapsed = 0;
  do {
    data.sample(done % data.size(), done / data.size(), image);
    ++done;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return static_cast<double>(done) / elapsed;
}

}  // namespace

std::string bench_data(const DataBenchOptions& options) {
  const bool peer = can_import(options.python, "torchvision");
  TextTable table({"preparing images", "Espalier images/s", "torchvision images/s", "ratio"});
  for (const Workload& workload : {image_files(options), cifar()}) {
    std::vector<double> ours, theirs;
    images_per_second(*workload.data, 0.2);
    for (int i = 0; i < options.repeats; ++i) {
      ours.push_back(images_per_second(*workload.data, options.seconds));
      if (peer)
        theirs.push_back(
            peer_figure(options.python, "torchvision_peer.py",
                        fmt::format("{} {} '{}'", workload.name, options.seconds, options.images.string())));
    }
    const double own = median(ours);
    table.add({workload.title, grouped(std::llround(own)),
               peer ? grouped(std::llround(median(theirs))) : "not installed",
               peer ? fmt::format("{:.2f}x", own / median(theirs)) : ""});
  }
  const std::string notes =
      fmt::format("{}, one thread on both sides, median of {} alternating runs of {} s, commit {}\n",
                  machine().at("processor").get<std::string>(), options.repeats, options.seconds, commit());
  if (!options.output.empty())
    write_file(options.output, "# Speed of preparing images\n\nWritten by `espalier bench data`.\n\n" +
                                   table.markdown() + "\n" + notes);
  return table.text() + "\n" + notes;
}

}  // namespace espalier::apps
