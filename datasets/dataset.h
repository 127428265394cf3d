#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/normalisation.h"
#include "core/shape.h"
#include "datasets/resample.h"

namespace espalier::datasets {

// The view to show of an image of shape (H, W, C).
using ChooseView = std::function<View(const Shape& image)>;

// Labelled images. Thread-safe: they are read from the loader's workers.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual Shape image_shape() const = 0;  // (H, W, C)
  virtual int classes() const = 0;
  // Writes image `index`, normalised ((pixel / 255 - mean) / std per channel), in HWC order and returns its
  // label in [0, classes). REQUIRES: 0 <= index < size(), image.size() == image_shape().numel().
  virtual int32_t get(int64_t index, std::span<float> image) const = 0;
  // The image as training sees it in `epoch`: augmented, where the data set is, as a function of (seed,
  // epoch, index) alone.
  virtual int32_t sample(int64_t index, [[maybe_unused]] int64_t epoch, std::span<float> image) const {
    return get(index, image);
  }
  // A view of the image instead: of the file's pixels where the data set resizes images as it reads them, and
  // of what get() gives elsewhere. REQUIRES: the view keeps (H, W) pixels of image_shape().
  virtual int32_t get_view(int64_t index, const ChooseView& choose, std::span<float> image) const;
};

// The images of `whole` at `indices`, in that order.
std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> whole, std::vector<int64_t> indices);

struct Split {
  std::shared_ptr<const Dataset> train;
  std::shared_ptr<const Dataset> validation;  // null unless images were held out
  std::shared_ptr<const Dataset> test;
  Normalisation normalisation;      // of all three
  std::vector<std::string> labels;  // the name of each class
  std::vector<std::string> notes;   // lines for the user: images that were left out
};

// How strongly colours change, in this order, each by a factor f drawn from [max(0, 1 - s), 1 + s] for its
// strength s. Pixels p in [0, 1] become, clamped to [0, 1],
//   brightness: f p
//   contrast:   f p + (1 - f) m, where m is the mean of the image's greys
//   saturation: f p + (1 - f) g, where g is the pixel's grey, 0.2989 red + 0.587 green + 0.114 blue
// as torchvision's ColorJitter does in a random order.
struct ColorJitter {
  double brightness = 0, contrast = 0, saturation = 0;
  bool operator==(const ColorJitter&) const = default;
};

// Random changes of training images, made in the order of these fields.
struct Augmentation {
  // > 0: a part of the image, of an area between this share and all of it and sides from 3:4 to 4:3, resized
  // to the image's size (Szegedy et al., 2015)
  double random_resized_crop = 0;
  ColorJitter color_jitter = {};
  // pixels of margin around the image, of which a window of its size is kept (He et al., 2016)
  int64_t pad_crop = 0;
  bool flip = false;  // left to right, half of the time
  // side of a square set to the mean colour, its centre anywhere (DeVries & Taylor, 2017)
  int64_t cutout = 0;
  bool operator==(const Augmentation&) const = default;
};

struct DataOptions {
  std::filesystem::path data_dir;  // empty: $ESPALIER_DATA, then /usr/share/datasets
  int64_t validation = 0;          // training images held out, drawn at random from `seed`
  int64_t limit = 0;               // > 0: so many training images at most, drawn likewise before the split
  uint64_t seed = 1;
  Normalisation normalisation = {};  // empty parts: the data set's own
  bool strict = false;               // an image that cannot be read is an error instead of left out
  // Of a folder's images: > 0 decodes them as they are needed, resizes the shorter side to `resize` (0:
  // image_size x 256 / 224) and keeps the middle square of this side; 0 holds them in memory as they are,
  // all of one size.
  int64_t image_size = 0;
  int64_t resize = 0;
  // Of the training images; those held out and the test images stay as they are.
  Augmentation augmentation = {};
  // Is told of images that turn out to be unreadable while they are used, from any thread.
  std::function<void(const std::string&)> warn = {};
};

// A file of a data set as its publisher offers it.
struct PublishedFile {
  std::string_view name;  // the last part of its address
  uint64_t bytes;
  std::string_view md5;
  std::span<const std::string_view> members = {};  // of a tar archive: what to unpack; none: it is kept whole
};

// Where a data set can be fetched from; no files: it cannot.
struct Published {
  std::string_view url;     // what the files' names follow
  std::string_view folder;  // below the data folder, for the files or what is unpacked from them
  std::span<const PublishedFile> files;
};

// One row of the registry.
struct Source {
  std::string_view name;                      // "mnist"
  std::string_view description;               // one line for `espalier list datasets`
  Split (*load)(const DataOptions& options);  // all images; the split and the limit are load()'s below
  Published published = {};
};
std::span<const Source> sources();
// A name with a slash is a folder of images: train/<class>/*, and test/ or val/ (or packed.safetensors, see
// datasets/packed.h).
// Throws Error: for an unknown name, listing the names; for missing data, listing where it looked and how to
// get them.
Split load(std::string_view name, const DataOptions& options);

}  // namespace espalier::datasets
