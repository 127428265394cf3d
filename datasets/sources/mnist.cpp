#include <array>
#include <optional>
#include <string>
#include <utility>

#include "core/error.h"
#include "datasets/idx.h"
#include "datasets/memory.h"
#include "datasets/sources/sources.h"

// MNIST (LeCun et al., 1998) and Fashion-MNIST (Xiao et al., 2017): ten classes of 28 x 28 grey images in
// four IDX files.
namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

struct Flavour {
  std::string_view name, folder, how_to_get;
  double mean, standard_deviation;  // of the training pixels / 255
  std::array<std::string_view, 10> labels;

  Normalisation normalisation() const { return {{mean}, {standard_deviation}}; }
};

constexpr Flavour kDigits{
    "mnist",
    "mnist",
    "`espalier data get mnist --data-dir DIR`, then pass --data-dir DIR or set ESPALIER_DATA=DIR",
    0.1307,
    0.3081,
    {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}};
constexpr Flavour kFashion{
    "fashion_mnist",
    "fashion-mnist",
    "`apt-get install dataset-fashion-mnist`; or `espalier data get fashion_mnist --data-dir DIR`, then pass "
    "--data-dir DIR or set ESPALIER_DATA=DIR",
    0.2860,
    0.3530,
    {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
     "Ankle boot"}};

constexpr int kClasses = 10;
constexpr int64_t kSide = 28;

// The stem and the kind of each file; the original names join the two with '-', many copies with '.'.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kFiles = {{
    {"train-images", "idx3-ubyte"},
    {"train-labels", "idx1-ubyte"},
    {"t10k-images", "idx3-ubyte"},
    {"t10k-labels", "idx1-ubyte"},
}};

// MNIST's own site no longer serves its files; this copy is the one that torchvision fetches, and the
// checksums of both data sets are those that torchvision checks. Fashion-MNIST comes from its own repository.
constexpr std::string_view kMnistUrl = "https://ossci-datasets.s3.amazonaws.com/mnist/";
constexpr PublishedFile kMnistFiles[] = {
    {"train-images-idx3-ubyte.gz", 9'912'422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"},
    {"train-labels-idx1-ubyte.gz", 28'881, "d53e105ee54ea40749a09fcbcd1e9432"},
    {"t10k-images-idx3-ubyte.gz", 1'648'877, "9fb629c4189551a2d022fa330f9573f3"},
    {"t10k-labels-idx1-ubyte.gz", 4'542, "ec29112dd5afa0611ce80d1b7f02629c"},
};
constexpr std::string_view kFashionUrl =
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/";
constexpr PublishedFile kFashionFiles[] = {
    {"train-images-idx3-ubyte.gz", 26'421'880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"},
    {"train-labels-idx1-ubyte.gz", 29'515, "25c81989df183df01b3e8a0aad5dffbe"},
    {"t10k-images-idx3-ubyte.gz", 4'422'102, "bef4ecab320f06d8554ea6380940ec79"},
    {"t10k-labels-idx1-ubyte.gz", 5'148, "bb300cfdad3c16e7a12a480ee83cd310"},
};

using Paths = std::array<std::optional<fs::path>, kFiles.size()>;

Paths find_in(const fs::path& folder) {
  Paths paths;
  for (size_t file = 0; file < kFiles.size(); ++file)
    for (const char* form : {"{}-{}", "{}-{}.gz", "{}.{}", "{}.{}.gz"}) {
      const fs::path path = folder / fmt::format(fmt::runtime(form), kFiles[file].first, kFiles[file].second);
      std::error_code unreadable;  // counts as absent
      if (!paths[file] && fs::is_regular_file(path, unreadable)) paths[file] = path;
    }
  return paths;
}

// The files of the first folder that has any; a folder that has only some is an error rather than passed
// over.
std::array<fs::path, kFiles.size()> find(const Flavour& flavour, const DataOptions& options) {
  const std::vector<fs::path> folders = candidate_folders(options, flavour.folder);
  std::string looked;
  for (const fs::path& folder : folders) {
    looked += fmt::format("\n  {}", folder.string());
    const Paths paths = find_in(folder);
    std::array<fs::path, kFiles.size()> found;
    std::string missing;
    for (size_t file = 0; file < kFiles.size(); ++file) {
      if (paths[file])
        found[file] = *paths[file];
      else
        missing += fmt::format(" {}-{}[.gz]", kFiles[file].first, kFiles[file].second);
    }
    if (missing.empty()) return found;
    for (const auto& path : paths) check(!path, "[{}] {} lacks{}", flavour.name, folder.string(), missing);
  }
  fail("[{}] no train-images-idx3-ubyte[.gz] and the like in{}\nto get them: {}", flavour.name, looked,
       flavour.how_to_get);
}

std::shared_ptr<const Dataset> read(const Flavour& flavour, const fs::path& images_path,
                                    const fs::path& labels_path, const DataOptions& options) {
  IdxArray images = read_idx(images_path);
  const Shape& shape = images.shape;
  check(shape.rank() == 3 && shape[0] > 0 && shape[1] == kSide && shape[2] == kSide,
        "[{}] {}: images of shape {}; expected (N, {}, {})", flavour.name, images_path.string(),
        shape.to_string(), kSide, kSide);
  const IdxArray labels = read_idx(labels_path);
  check(labels.shape == Shape{shape[0]}, "[{}] {}: labels of shape {}; expected ({}), one for each image",
        flavour.name, labels_path.string(), labels.shape.to_string(), shape[0]);
  return std::make_shared<MemoryDataset>(
      MemoryImages{.image_shape = {kSide, kSide, 1},
                   .classes = kClasses,
                   .pixels = std::move(images.values),
                   .labels = {labels.values.begin(), labels.values.end()},
                   .normalisation = options.normalisation.or_else(flavour.normalisation())},
      labels_path.string());
}

Split load(const Flavour& flavour, const DataOptions& options) {
  const auto [train_images, train_labels, test_images, test_labels] = find(flavour, options);
  return {.train = read(flavour, train_images, train_labels, options),
          .test = read(flavour, test_images, test_labels, options),
          .normalisation = options.normalisation.or_else(flavour.normalisation()),
          .labels = {flavour.labels.begin(), flavour.labels.end()}};
}

}  // namespace

constinit const Source kMnist{"mnist",
                              "handwritten digits, 28 x 28 grey, 60,000 + 10,000 images (IDX files)",
                              [](const DataOptions& options) { return load(kDigits, options); },
                              {kMnistUrl, kDigits.folder, kMnistFiles}};
constinit const Source kFashionMnist{
    "fashion_mnist",
    "clothes, 28 x 28 grey, 60,000 + 10,000 images (IDX files; Debian package "
    "dataset-fashion-mnist)",
    [](const DataOptions& options) { return load(kFashion, options); },
    {kFashionUrl, kFashion.folder, kFashionFiles}};

}  // namespace espalier::datasets
