#include "datasets/image_files.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "core/error.h"
#include "datasets/image.h"

namespace espalier::datasets {
namespace {

class ImageFiles final : public Dataset {
 public:
  ImageFiles(ImageFolder folder, ImageFilesOptions options)
      : folder_(std::move(folder)), options_(std::move(options)) {}

  int64_t size() const override { return static_cast<int64_t>(folder_.images.size()); }
  Shape image_shape() const override { return {options_.image_size, options_.image_size, kChannels}; }
  int classes() const override { return static_cast<int>(folder_.classes.size()); }

  int32_t get(int64_t index, std::span<float> image) const override {
    const auto middle = [&](const Shape& shape) {
      return centre_view(shape, options_.resize, options_.image_size, options_.image_size);
    };
    return get_view(index, middle, image);
  }

  int32_t get_view(int64_t index, const ChooseView& choose, std::span<float> image) const override {
    const auto& [path, label] = folder_.images[static_cast<size_t>(index)];
    Image source;
    try {
      source = read_image(path);
    } catch (const Error& error) {
      if (options_.strict) throw;
      report(index, error.what());
      std::fill(image.begin(), image.end(), 0.0f);
      return label;
    }
    const Shape shape{source.height, source.width, kChannels};
    resample(source.pixels, shape, choose(shape), image);
    for (size_t channel = 0; channel < kChannels; ++channel) {
      const double deviation = options_.normalisation.standard_deviation[channel];
      const auto scale = static_cast<float>(1 / (255 * deviation));
      const auto shift = static_cast<float>(options_.normalisation.mean[channel] / deviation);
      for (size_t i = channel; i < image.size(); i += kChannels) image[i] = image[i] * scale - shift;
    }
    return label;
  }

 private:
  void report(int64_t index, const std::string& failure) const {
    const std::lock_guard lock(mutex_);
    if (!options_.warn || reported_.size() == kMostNamed || !reported_.insert(index).second) return;
    options_.warn("blank instead: " + failure);
    if (reported_.size() == kMostNamed) options_.warn("more images like these are not named");
  }

  ImageFolder folder_;
  ImageFilesOptions options_;
  mutable std::mutex mutex_;  // guards what follows, and calls warn() one at a time
  mutable std::set<int64_t> reported_;
};

}  // namespace

std::shared_ptr<const Dataset> open_images(ImageFolder folder, ImageFilesOptions options,
                                           std::vector<std::string>& notes) {
  constexpr int64_t kLargest = 4096;
  check(options.image_size > 0 && options.image_size <= kLargest,
        "[images] image_size = {}; expected 1 to {}", options.image_size, kLargest);
  check(options.resize >= options.image_size && options.resize <= kLargest,
        "[images] resize = {}; expected image_size = {} to {}", options.resize, options.image_size, kLargest);
  check_normalisation(options.normalisation, kChannels, "[images]");
  const std::vector<std::string> failures =
      try_each(folder.images.size(), [&](size_t i) { check_image_header(folder.images[i].path); });
  note_failures(failures, options.strict, notes);
  size_t at = 0;
  std::erase_if(folder.images, [&](const ImageFolder::Entry&) { return !failures[at++].empty(); });
  check(!folder.images.empty(), "[images] none of {} images can be read, the first because of {}",
        failures.size(), failures[0]);
  return std::make_shared<ImageFiles>(std::move(folder), std::move(options));
}

}  // namespace espalier::datasets
