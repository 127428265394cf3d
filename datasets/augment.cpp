#include "datasets/augment.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"

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

double between(RandomStream& random, double low, double high) {
  return low + (high - low) * random.uniform();
}

int64_t below(RandomStream& random, int64_t bound) {
  return static_cast<int64_t>(random.below(static_cast<uint64_t>(bound)));
}

// Pixel times scale plus shift, a number of each for the pixels of a channel.
void rescale(std::span<float> image, size_t channel, size_t channels, double scale, double shift) {
  const auto factor = static_cast<float>(scale), summand = static_cast<float>(shift);
  for (size_t i = channel; i < image.size(); i += channels) image[i] = image[i] * factor + summand;
}

class Augmented final : public Dataset {
 public:
  Augmented(std::shared_ptr<const Dataset> whole, Augmentation augmentation, uint64_t seed,
            const Normalisation& normalisation)
      : whole_(std::move(whole)), augmentation_(augmentation), seed_(seed), normalisation_(normalisation) {}

  int64_t size() const override { return whole_->size(); }
  Shape image_shape() const override { return whole_->image_shape(); }
  int classes() const override { return whole_->classes(); }
  int32_t get(int64_t index, std::span<float> image) const override { return whole_->get(index, image); }

  int32_t sample(int64_t index, int64_t epoch, std::span<float> image) const override {
    const Shape shape = image_shape();
    const auto draw = [&](std::string_view purpose) {
      return RandomStream(seed_, purpose, static_cast<uint64_t>(epoch * size() + index));
    };
    const auto crop = [&](const Shape& whole) {
      RandomStream random = draw("random_resized_crop");
      return random_resized_view(whole, augmentation_.random_resized_crop, shape[0], shape[1], random);
    };
    const int32_t label = augmentation_.random_resized_crop > 0 ? whole_->get_view(index, crop, image)
                                                                : whole_->sample(index, epoch, image);
    if (augmentation_.color_jitter != ColorJitter{}) {
      RandomStream random = draw("color_jitter");
      jitter(image, random);
    }
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
  void jitter(std::span<float> image, RandomStream& random) const {
    const auto factor = [&](double strength) {
      return between(random, std::max(0.0, 1 - strength), 1 + strength);
    };
    const ColorJitter& strengths = augmentation_.color_jitter;
    ColorJitter factors;
    factors.brightness = factor(strengths.brightness);
    factors.contrast = factor(strengths.contrast);
    factors.saturation = factor(strengths.saturation);
    const auto& [mean, deviation] = normalisation_;
    const size_t channels = mean.size();
    for (size_t c = 0; c < channels; ++c) rescale(image, c, channels, deviation[c], mean[c]);
    change_colors(image, image_shape()[2], factors);
    for (size_t c = 0; c < channels; ++c)
      rescale(image, c, channels, 1 / deviation[c], -mean[c] / deviation[c]);
  }

  std::shared_ptr<const Dataset> whole_;
  Augmentation augmentation_;
  uint64_t seed_;
  Normalisation normalisation_;
};

}  // namespace

View random_resized_view(const Shape& image, double least_area, int64_t height, int64_t width,
                         RandomStream& random) {
  constexpr double kNarrowest = 3.0 / 4, kWidest = 4.0 / 3;
  constexpr int kTries = 10;
  const auto view = [&](int64_t top, int64_t left, int64_t rows, int64_t columns) {
    return View{{.begin = top, .length = rows, .resized = height, .first = 0, .count = height},
                {.begin = left, .length = columns, .resized = width, .first = 0, .count = width}};
  };
  const auto tall = static_cast<double>(image[0]), wide = static_cast<double>(image[1]);
  for (int i = 0; i < kTries; ++i) {
    const double area = tall * wide * between(random, least_area, 1);
    const double aspect = std::exp(between(random, std::log(kNarrowest), std::log(kWidest)));
    const int64_t columns = std::llround(std::sqrt(area * aspect));
    const int64_t rows = std::llround(std::sqrt(area / aspect));
    if (columns < 1 || columns > image[1] || rows < 1 || rows > image[0]) continue;
    const int64_t top = below(random, image[0] - rows + 1);
    return view(top, below(random, image[1] - columns + 1), rows, columns);
  }
  const int64_t rows = std::clamp<int64_t>(std::llround(wide / kNarrowest), 1, image[0]);
  const int64_t columns = std::clamp<int64_t>(std::llround(tall * kWidest), 1, image[1]);
  return view((image[0] - rows) / 2, (image[1] - columns) / 2, rows, columns);
}

void change_colors(std::span<float> pixels, int64_t channels, const ColorJitter& factors) {
  const auto pixel_size = static_cast<size_t>(channels);
  const auto grey = [&](size_t at) {
    return channels == 1 ? pixels[at]
                         : 0.2989f * pixels[at] + 0.587f * pixels[at + 1] + 0.114f * pixels[at + 2];
  };
  const auto clamped = [](float value) { return std::clamp(value, 0.0f, 1.0f); };
  const auto brightness = static_cast<float>(factors.brightness);
  const auto contrast = static_cast<float>(factors.contrast);
  const auto saturation = static_cast<float>(factors.saturation);

  for (float& pixel : pixels) pixel = clamped(brightness * pixel);
  double sum = 0;
  for (size_t at = 0; at < pixels.size(); at += pixel_size) sum += grey(at);
  const auto mean =
      static_cast<float>(sum * static_cast<double>(channels) / static_cast<double>(pixels.size()));
  for (float& pixel : pixels) pixel = clamped(contrast * pixel + (1 - contrast) * mean);
  for (size_t at = 0; channels == 3 && at < pixels.size(); at += pixel_size) {
    const float own = grey(at);
    for (size_t c = 0; c < pixel_size; ++c)
      pixels[at + c] = clamped(saturation * pixels[at + c] + (1 - saturation) * own);
  }
}

std::shared_ptr<const Dataset> augmented(std::shared_ptr<const Dataset> whole, Augmentation augmentation,
                                         uint64_t seed, const Normalisation& normalisation) {
  constexpr int64_t kMost = 4096;  // beyond any image
  check(augmentation.pad_crop >= 0 && augmentation.pad_crop <= kMost,
        "[augment] pad_crop = {}; expected 0 to {}", augmentation.pad_crop, kMost);
  check(augmentation.cutout >= 0 && augmentation.cutout <= kMost, "[augment] cutout = {}; expected 0 to {}",
        augmentation.cutout, kMost);
  check(augmentation.random_resized_crop >= 0 && augmentation.random_resized_crop <= 1,
        "[augment] random_resized_crop = {}; expected a share of the area, 0 to 1",
        augmentation.random_resized_crop);
  const ColorJitter& jitter = augmentation.color_jitter;
  for (const auto& [name, strength] : {std::pair("brightness", jitter.brightness),
                                       {"contrast", jitter.contrast},
                                       {"saturation", jitter.saturation}})
    check(strength >= 0 && std::isfinite(strength), "[augment] color_jitter.{} = {}; expected >= 0", name,
          strength);
  if (augmentation == Augmentation{}) return whole;
  if (jitter != ColorJitter{}) {
    const int64_t channels = whole->image_shape()[2];
    check(channels == 1 || channels == 3, "[augment] color_jitter of images of {} channels; expected 1 or 3",
          channels);
    check(
        static_cast<int64_t>(normalisation.mean.size()) == channels &&
            static_cast<int64_t>(normalisation.standard_deviation.size()) == channels,
        "[augment] color_jitter of images of {} channels, normalised by {} means and {} standard deviations",
        channels, normalisation.mean.size(), normalisation.standard_deviation.size());
  }
  return std::make_shared<Augmented>(std::move(whole), augmentation, seed, normalisation);
}

}  // namespace espalier::datasets
