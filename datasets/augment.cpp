#include "datasets/augment.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace espalier::datasets {
namespace {

// Moves the image by (down, right); what comes from outside is 0.
void shift(std::span<float> image, const Shape& shape, int64_t down, int64_t right) {
  const int64_t height = shape[0], width = shape[1], channels = shape[2];
  const std::vector<float> before(image.begin(), image.end());
  std::fill(image.begin(), image.end(), 0.0f);
  const int64_t columns = width - std::abs(right);
  for (int64_t y = std::max<int64_t>(0, down); columns > 0 && y < std::min(height, height + down); ++y) {
    const auto from = before.begin() + ((y - down) * width + std::max<int64_t>(0, -right)) * channels;
    std::copy(from, from + columns * channels,
              image.begin() + (y * width + std::max<int64_t>(0, right)) * channels);
  }
}

void mirror(std::span<float> image, const Shape& shape) {
  const int64_t width = shape[1], channels = shape[2];
  for (int64_t y = 0; y < shape[0]; ++y)
    for (int64_t x = 0; x < width / 2; ++x) {
      const auto row = image.begin() + y * width * channels;
      std::swap_ranges(row + x * channels, row + (x + 1) * channels, row + (width - 1 - x) * channels);
    }
}

// Zeroes the part within the image of a square of side `side` around (y, x).
void cut_out(std::span<float> image, const Shape& shape, int64_t side, int64_t y, int64_t x) {
  const int64_t height = shape[0], width = shape[1], channels = shape[2];
  const int64_t top = std::max<int64_t>(0, y - side / 2), bottom = std::min(height, y - side / 2 + side);
  const int64_t left = std::max<int64_t>(0, x - side / 2), right = std::min(width, x - side / 2 + side);
  for (int64_t row = top; row < bottom; ++row)
    std::fill(image.begin() + (row * width + left) * channels,
              image.begin() + (row * width + right) * channels, 0.0f);
}

class Augmented final : public Dataset {
 public:
  Augmented(std::shared_ptr<const Dataset> whole, Augmentation augmentation, uint64_t seed)
      : whole_(std::move(whole)), augmentation_(augmentation), seed_(seed) {}

  int64_t size() const override { return whole_->size(); }
  Shape image_shape() const override { return whole_->image_shape(); }
  int classes() const override { return whole_->classes(); }
  int32_t get(int64_t index, std::span<float> image) const override { return whole_->get(index, image); }

  int32_t sample(int64_t index, int64_t epoch, std::span<float> image) const override {
    const int32_t label = whole_->sample(index, epoch, image);
    const Shape shape = image_shape();
    const auto draw = [&](std::string_view purpose) {
      return RandomStream(seed_, purpose, static_cast<uint64_t>(epoch * size() + index));
    };
    const auto below = [](RandomStream& random, int64_t bound) {
      return static_cast<int64_t>(random.below(static_cast<uint64_t>(bound)));
    };
    if (const int64_t margin = augmentation_.pad_crop; margin > 0) {
      RandomStream random = draw("pad_crop");
      const int64_t down = below(random, 2 * margin + 1) - margin;
      shift(image, shape, down, below(random, 2 * margin + 1) - margin);
    }
    if (augmentation_.flip && draw("flip").below(2) == 1) mirror(image, shape);
    if (augmentation_.cutout > 0) {
      RandomStream random = draw("cutout");
      const int64_t y = below(random, shape[0]);
      cut_out(image, shape, augmentation_.cutout, y, below(random, shape[1]));
    }
    return label;
  }

 private:
  std::shared_ptr<const Dataset> whole_;
  Augmentation augmentation_;
  uint64_t seed_;
};

}  // namespace

std::shared_ptr<const Dataset> augmented(std::shared_ptr<const Dataset> whole, Augmentation augmentation,
                                         uint64_t seed) {
  constexpr int64_t kMost = 4096;  // beyond any image
  check(augmentation.pad_crop >= 0 && augmentation.pad_crop <= kMost,
        "[augment] pad_crop = {}; expected 0 to {}", augmentation.pad_crop, kMost);
  check(augmentation.cutout >= 0 && augmentation.cutout <= kMost, "[augment] cutout = {}; expected 0 to {}",
        augmentation.cutout, kMost);
  if (augmentation == Augmentation{}) return whole;
  return std::make_shared<Augmented>(std::move(whole), augmentation, seed);
}

}  // namespace espalier::datasets
