#include "datasets/image_folder.h"

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "datasets/image_files.h"
#include "datasets/packed.h"
#include "datasets/sources/sources.h"

// Folders of images: train/<class>/* and test/<class>/* (or val/): small ones of one size, CIFAR-10 as JPEG
// files among them, are held in memory, and with image_size those of any sizes, as ImageNet's, are decoded as
// they are needed.
namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

const Normalisation& of_imagenet() {
  static const Normalisation constants{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  return constants;
}

bool has_packed(const fs::path& root) {
  std::error_code unreadable;  // counts as absent
  return fs::is_regular_file(root / kPackedName, unreadable);
}

// The packed images when they are those of the folders, or all that is left of them.
PackedImages read_images(const fs::path& root, bool strict) {
  if (!has_packed(root)) return pack(list_image_folders(root), strict);
  const fs::path path = root / kPackedName;
  const auto accepted = [&](PackedImages images) {
    check(!strict || images.notes.empty(), "[packed] {}: {}", path.string(), fmt::join(images.notes, "; "));
    return images;
  };
  if (!has_image_folders(root)) return accepted(read_packed(path));
  const ImageFolders folders = list_image_folders(root);
  if (PackedImages images = read_packed(path); images.fingerprint == fingerprint(folders))
    return accepted(std::move(images));
  PackedImages images = pack(folders, strict);
  images.notes.push_back(
      fmt::format("{} is not used: it was made of other images; `espalier data pack {}` renews it",
                  path.string(), root.string()));
  return images;
}

Split in_memory(const fs::path& root, const Normalisation& normalisation, const DataOptions& options) {
  PackedImages images = read_images(root, options.strict);
  Split split{
      .normalisation = normalisation, .labels = std::move(images.classes), .notes = std::move(images.notes)};
  const auto dataset = [&](MemoryImages& part, const char* name) {
    part.normalisation = normalisation;
    return std::make_shared<MemoryDataset>(std::move(part), (root / name).string());
  };
  split.train = dataset(images.train, "train");
  split.test = dataset(images.test, "test");
  return split;
}

Split on_demand(const fs::path& root, const Normalisation& normalisation, const DataOptions& options) {
  ImageFolders folders = list_image_folders(root);
  const ImageFilesOptions each{
      .image_size = options.image_size,
      .resize = options.resize > 0 ? options.resize : (options.image_size * 256 + 112) / 224,
      .normalisation = normalisation,
      .strict = options.strict,
      .warn = options.warn};
  Split split{.normalisation = normalisation, .labels = folders.train.classes};
  split.train = open_images(std::move(folders.train), each, split.notes);
  split.test = open_images(std::move(folders.test), each, split.notes);
  return split;
}

Split read_split(const fs::path& root, const Normalisation& own, const DataOptions& options) {
  const Normalisation normalisation = options.normalisation.or_else(own);
  return options.image_size > 0 ? on_demand(root, normalisation, options)
                                : in_memory(root, normalisation, options);
}

Split load_cifar10_jpeg(const DataOptions& options) {
  std::string looked;
  for (const fs::path& root : candidate_folders(options, "cifar10-jpeg")) {
    if (has_image_folders(root) || has_packed(root))
      return read_split(root, cifar10_normalisation(), options);
    looked += fmt::format("\n  {}", root.string());
  }
  fail(
      "[cifar10-jpeg] no folders train/ and test/ in{}\nput the images into DIR/cifar10-jpeg/train/<class>/ "
      "and DIR/cifar10-jpeg/test/<class>/ and pass --data-dir DIR or set ESPALIER_DATA=DIR",
      looked);
}

}  // namespace

Split load_image_folder(const fs::path& root, const DataOptions& options) {
  return read_split(root, of_imagenet(), options);
}

constinit const Source kCifar10Jpeg{"cifar10-jpeg",
                                    "CIFAR-10 as JPEG files, lossy: train/<class>/*.jpg, test/<class>/*.jpg",
                                    load_cifar10_jpeg};

}  // namespace espalier::datasets
