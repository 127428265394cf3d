#include "datasets/memory.h"

#include <utility>

#include "core/error.h"

namespace espalier::datasets {

MemoryDataset::MemoryDataset(MemoryImages images, const std::string& origin) : images_(std::move(images)) {
  const Shape& shape = images_.image_shape;
  check(shape.rank() == 3 && shape.numel() > 0, "[dataset] {}: images of shape {}; expected (H, W, C)",
        origin, shape.to_string());
  const auto pixel_count = static_cast<uint64_t>(shape.numel());
  check(images_.pixels.size() % pixel_count == 0 &&
            images_.pixels.size() / pixel_count == images_.labels.size(),
        "[dataset] {}: {} labels for {} images", origin, images_.labels.size(),
        static_cast<double>(images_.pixels.size()) / static_cast<double>(pixel_count));
  for (size_t i = 0; i < images_.labels.size(); ++i)
    check(images_.labels[i] >= 0 && images_.labels[i] < images_.classes,
          "[dataset] {}: label {} of image {}; expected 0 to {}", origin, images_.labels[i], i,
          images_.classes - 1);

  const auto channels = static_cast<size_t>(shape[2]);
  check_normalisation(images_.normalisation, shape[2], "[dataset] " + origin);
  tables_.resize(channels);
  for (size_t channel = 0; channel < channels; ++channel)
    for (size_t byte = 0; byte < 256; ++byte)
      tables_[channel][byte] =
          static_cast<float>((static_cast<double>(byte) / 255 - images_.normalisation.mean[channel]) /
                             images_.normalisation.standard_deviation[channel]);
}

int32_t MemoryDataset::get(int64_t index, std::span<float> image) const {
  const uint8_t* pixels = images_.pixels.data() + static_cast<size_t>(index) * image.size();
  const size_t channels = tables_.size();
  for (size_t channel = 0; channel < channels; ++channel) {
    const float* table = tables_[channel].data();
    for (size_t i = channel; i < image.size(); i += channels) image[i] = table[pixels[i]];
  }
  return images_.labels[static_cast<size_t>(index)];
}

}  // namespace espalier::datasets
