#include "datasets/cifar.h"

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/io/file.h"
#include "datasets/memory.h"
#include "datasets/sources/sources.h"

// CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 32 x 32 colour images in the official binary files.
namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

struct Flavour {
  std::string_view name, folder, archive;
  CifarFormat format;
  std::vector<std::string> train, test;
  Normalisation normalisation;  // of the training pixels
  std::string label_file;       // a class a line, beside the images in the official archives
};

const Flavour& cifar10() {
  static const Flavour flavour{
      "cifar10",
      "cifar-10-batches-bin",
      "cifar-10-binary.tar.gz",
      kCifar10Format,
      {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
      {"test_batch.bin"},
      cifar10_normalisation(),
      "batches.meta.txt"};
  return flavour;
}

const Flavour& cifar100() {
  static const Flavour flavour{"cifar100",
                               "cifar-100-binary",
                               "cifar-100-binary.tar.gz",
                               kCifar100Format,
                               {"train.bin"},
                               {"test.bin"},
                               {{0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762}},
                               "fine_label_names.txt"};
  return flavour;
}

// The archives and the checksums that https://www.cs.toronto.edu/~kriz/cifar.html gives for them.
constexpr std::string_view kSite = "https://www.cs.toronto.edu/~kriz/";
constexpr std::string_view kCifar10Members[] = {
    "cifar-10-batches-bin/data_batch_1.bin", "cifar-10-batches-bin/data_batch_2.bin",
    "cifar-10-batches-bin/data_batch_3.bin", "cifar-10-batches-bin/data_batch_4.bin",
    "cifar-10-batches-bin/data_batch_5.bin", "cifar-10-batches-bin/test_batch.bin",
    "cifar-10-batches-bin/batches.meta.txt"};
constexpr std::string_view kCifar100Members[] = {"cifar-100-binary/train.bin", "cifar-100-binary/test.bin",
                                                 "cifar-100-binary/fine_label_names.txt"};
constexpr PublishedFile kCifar10Files[] = {
    {"cifar-10-binary.tar.gz", 170'052'171, "c32a1d4ab5d03f1284b67883e8d87530", kCifar10Members}};
constexpr PublishedFile kCifar100Files[] = {
    {"cifar-100-binary.tar.gz", 168'513'733, "03b5dce01913d631647c71ecec9e9cb8", kCifar100Members}};

// The first folder that holds any of the files; one that lacks some is an error rather than passed over.
fs::path find(const Flavour& flavour, const DataOptions& options) {
  std::vector<std::string> files = flavour.train;
  files.insert(files.end(), flavour.test.begin(), flavour.test.end());
  std::string looked;
  for (const fs::path& folder : candidate_folders(options, flavour.folder)) {
    looked += fmt::format("\n  {}", folder.string());
    std::vector<std::string> missing;
    for (const std::string& file : files) {
      std::error_code unreadable;  // counts as absent
      if (!fs::is_regular_file(folder / file, unreadable)) missing.push_back(file);
    }
    if (missing.empty()) return folder;
    check(missing.size() == files.size(), "[{}] {} lacks {}", flavour.name, folder.string(),
          fmt::join(missing, ", "));
  }
  fail(
      "[{}] no {} in{}\nto get them: `espalier data get {} --data-dir DIR`, or unpack {}{} into DIR; then "
      "pass --data-dir DIR or set ESPALIER_DATA=DIR",
      flavour.name, fmt::join(files, ", "), looked, flavour.name, kSite, flavour.archive);
}

std::shared_ptr<const Dataset> read(const Flavour& flavour, const fs::path& folder,
                                    const std::vector<std::string>& files, const DataOptions& options) {
  CifarImages images;
  for (const std::string& file : files) read_cifar(folder / file, flavour.format, images);
  MemoryImages memory{.image_shape = {kCifarSide, kCifarSide, 3},
                      .classes = flavour.format.classes,
                      .pixels = std::move(images.pixels),
                      .labels = std::move(images.labels),
                      .normalisation = options.normalisation.or_else(flavour.normalisation)};
  return std::make_shared<MemoryDataset>(std::move(memory), folder.string());
}

// The names of the classes, or their numbers where the file is not there.
std::vector<std::string> read_labels(const fs::path& path, int classes) {
  std::vector<std::string> labels;
  std::error_code unreadable;  // counts as absent
  if (fs::is_regular_file(path, unreadable)) {
    labels = read_lines(path);
    check(labels.size() == static_cast<size_t>(classes), "[cifar] {}: {} names of classes; expected {}",
          path.string(), labels.size(), classes);
  }
  for (int label = static_cast<int>(labels.size()); label < classes; ++label)
    labels.push_back(std::to_string(label));
  return labels;
}

Split load(const Flavour& flavour, const DataOptions& options) {
  const fs::path folder = find(flavour, options);
  return {.train = read(flavour, folder, flavour.train, options),
          .test = read(flavour, folder, flavour.test, options),
          .normalisation = options.normalisation.or_else(flavour.normalisation),
          .labels = read_labels(folder / flavour.label_file, flavour.format.classes)};
}

}  // namespace

const Normalisation& cifar10_normalisation() {
  static const Normalisation constants{{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  return constants;
}

constinit const Source kCifar10{
    "cifar10",
    "objects, 32 x 32 colour, 10 classes, 50,000 + 10,000 images (binary version)",
    [](const DataOptions& options) { return load(cifar10(), options); },
    {kSite, "", kCifar10Files}};
constinit const Source kCifar100{
    "cifar100",
    "objects, 32 x 32 colour, 100 classes, 50,000 + 10,000 images (binary version)",
    [](const DataOptions& options) { return load(cifar100(), options); },
    {kSite, "", kCifar100Files}};

}  // namespace espalier::datasets
