#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "core/named_rows.h"
#include "core/random.h"
#include "datasets/augment.h"
#include "datasets/sources/sources.h"

namespace espalier::datasets {
namespace {

// Keeps `options.limit` of the training images and holds out `options.validation` of those. Both are drawn at
// random, for files may come class by class, and stay in file order.
void divide(Split& split, const DataOptions& options) {
  const int64_t available = split.train->size();
  const int64_t kept = options.limit > 0 ? std::min(options.limit, available) : available;
  check(options.validation < kept, "[data] validation = {} of {} training images leaves none to train on",
        options.validation, kept);
  const auto drawn = [&](int64_t count, std::string_view purpose) {
    return RandomStream(options.seed, purpose).permutation(count);
  };
  if (kept < available) {
    std::vector<int64_t> order = drawn(available, "limit");
    order.resize(static_cast<size_t>(kept));
    std::sort(order.begin(), order.end());
    split.train = subset(split.train, std::move(order));
  }
  if (options.validation > 0) {
    std::vector<int64_t> order = drawn(kept, "validation");
    const auto middle = order.begin() + options.validation;
    std::sort(order.begin(), middle);
    std::sort(middle, order.end());
    split.validation = subset(split.train, {order.begin(), middle});
    split.train = subset(split.train, {middle, order.end()});
  }
}

}  // namespace

std::span<const Source> sources() {
  static const Source rows[] = {kMnist, kFashionMnist, kCifar10, kCifar100, kCifar10Jpeg, kSynthetic};
  return rows;
}

Split load(std::string_view name, const DataOptions& options) {
  check(options.limit >= 0, "[data] limit = {}; expected >= 0", options.limit);
  check(options.validation >= 0, "[data] validation = {}; expected >= 0", options.validation);
  check(options.resize == 0 || options.image_size > 0, "[data] resize = {} without image_size",
        options.resize);
  Split split;
  if (name.find('/') != std::string_view::npos) split = load_image_folder(name, options);
  for (const Source& source : sources())
    if (source.name == name) split = source.load(options);
  check(split.train != nullptr,
        "[data] unknown data set '{}'; the data sets are {}, and a folder is named with a /", name,
        fmt::join(names_of(sources()), ", "));
  const Shape shape = split.train->image_shape();
  check(options.image_size == 0 || (shape[0] == options.image_size && shape[1] == options.image_size),
        "[data] image_size = {}, but the images of {} are {} x {}; only those of folders are resized",
        options.image_size, name, shape[0], shape[1]);
  divide(split, options);
  split.train = augmented(std::move(split.train), options.augmentation, options.seed, split.normalisation);
  return split;
}

std::vector<std::filesystem::path> candidate_folders(const DataOptions& options, std::string_view subfolder) {
  std::vector<std::filesystem::path> roots;
  if (!options.data_dir.empty()) {
    roots = {options.data_dir};
  } else {
    const char* variable = std::getenv("ESPALIER_DATA");
    if (variable != nullptr && *variable != '\0') roots.emplace_back(variable);
    roots.emplace_back("/usr/share/datasets");
  }
  std::vector<std::filesystem::path> folders;
  for (const auto& root : roots) {
    folders.push_back(root / subfolder);
    folders.push_back(root);
  }
  return folders;
}

}  // namespace espalier::datasets
