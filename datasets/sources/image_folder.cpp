#include "datasets/image_folder.h"

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "datasets/sources/sources.h"

// Folders of images: train/<class>/* and test/<class>/* (or val/), for CIFAR-10 as JPEG files and any other
// set of small images of one size.
namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

const Normalisation& of_cifar10() {
  static const Normalisation constants{{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  return constants;
}

const Normalisation& of_imagenet() {
  static const Normalisation constants{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  return constants;
}

bool is_folder(const fs::path& path) {
  std::error_code unreadable;  // counts as absent
  return fs::is_directory(path, unreadable);
}

fs::path test_folder(const fs::path& root) {
  return is_folder(root / "test") || !is_folder(root / "val") ? root / "test" : root / "val";
}

bool is_split(const fs::path& root) {
  return is_folder(root / "train") && is_folder(test_folder(root));
}

std::shared_ptr<const Dataset> read(const ImageFolder& folder, const fs::path& path,
                                    const Normalisation& normalisation, const DataOptions& options,
                                    std::vector<std::string>& notes) {
  MemoryImages images = decode_images(folder, options.strict, notes);
  images.normalisation = normalisation;
  return std::make_shared<MemoryDataset>(std::move(images), path.string());
}

Split read_split(const fs::path& root, const Normalisation& normalisation, const DataOptions& options) {
  const fs::path test_path = test_folder(root);
  const ImageFolder train = list_images(root / "train"), test = list_images(test_path);
  check(train.classes == test.classes, "[images] {}: the classes of train/ ({}) and {}/ ({}) differ",
        root.string(), fmt::join(train.classes, ", "), test_path.filename().string(),
        fmt::join(test.classes, ", "));
  Split split{.normalisation = either(options.normalisation, normalisation), .labels = train.classes};
  split.train = read(train, root / "train", split.normalisation, options, split.notes);
  split.test = read(test, test_path, split.normalisation, options, split.notes);
  check(split.train->image_shape() == split.test->image_shape(),
        "[images] {}: training images of shape {} and test images of shape {}", root.string(),
        split.train->image_shape().to_string(), split.test->image_shape().to_string());
  return split;
}

Split load_cifar10_jpeg(const DataOptions& options) {
  std::string looked;
  for (const fs::path& root : candidate_folders(options, "cifar10-jpeg")) {
    if (is_split(root)) return read_split(root, of_cifar10(), options);
    looked += fmt::format("\n  {}", root.string());
  }
  fail(
      "[cifar10-jpeg] no folders train/ and test/ in{}\nput the images into DIR/cifar10-jpeg/train/<class>/ "
      "and "
      "DIR/cifar10-jpeg/test/<class>/ and pass --data-dir DIR or set ESPALIER_DATA=DIR",
      looked);
}

}  // namespace

Split load_image_folder(const fs::path& root, const DataOptions& options) {
  check(is_split(root), "[images] {}: no folders train/ and test/ (or val/) there", root.string());
  return read_split(root, of_imagenet(), options);
}

constinit const Source kCifar10Jpeg{"cifar10-jpeg",
                                    "CIFAR-10 as JPEG files, lossy: train/<class>/*.jpg, test/<class>/*.jpg",
                                    load_cifar10_jpeg};

}  // namespace espalier::datasets
