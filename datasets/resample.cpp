#include "datasets/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace espalier::datasets {
namespace {

// The pixels of the image that each kept pixel is a mean of, and their weights.
struct Taps {
  struct Run {
    int64_t begin;  // in the image
    size_t first;   // in `weights`
    size_t count;
  };
  std::vector<Run> runs;  // of each kept pixel
  std::vector<float> weights;
  int64_t begin = 0, end = 0;  // what all of them span
};

Taps taps_of(const ResizedAxis& axis) {
  const double scale = static_cast<double>(axis.length) / static_cast<double>(axis.resized);
  const double reach = std::max(scale, 1.0);
  Taps taps{.begin = axis.begin + axis.length, .end = axis.begin};
  for (int64_t i = axis.first; i < axis.first + axis.count; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto from = std::max(int64_t{0}, static_cast<int64_t>(centre - reach + 0.5));
    const auto to = std::min(axis.length, static_cast<int64_t>(centre + reach + 0.5));
    const size_t first = taps.weights.size();
    double sum = 0;
    for (int64_t at = from; at < to; ++at) {
      const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(at) + 0.5 - centre) / reach);
      taps.weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (size_t tap = first; tap < taps.weights.size(); ++tap) taps.weights[tap] /= static_cast<float>(sum);
    taps.runs.push_back({axis.begin + from, first, taps.weights.size() - first});
    taps.begin = std::min(taps.begin, axis.begin + from);
    taps.end = std::max(taps.end, axis.begin + to);
  }
  return taps;
}

// A weighted sum of pixels with `kChannels` channels, or as many as are told when it is 0.
template <int kChannels>
void sum_pixels(const float* pixel, std::span<const float> weights, int64_t channels, float* out) {
  if constexpr (kChannels == 0) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      float sum = 0;
      for (size_t tap = 0; tap < weights.size(); ++tap)
        sum += weights[tap] * pixel[static_cast<int64_t>(tap) * channels + channel];
      out[channel] = sum;
    }
  } else {
    float sums[kChannels] = {};
    for (const float weight : weights) {
      for (int channel = 0; channel < kChannels; ++channel) sums[channel] += weight * pixel[channel];
      pixel += kChannels;
    }
    std::copy_n(sums, kChannels, out);
  }
}

// Rows first: their weighted sum runs along memory, and leaves the slower columns as few rows as are kept.
template <typename Pixel>
void resample_pixels(std::span<const Pixel> image, const Shape& shape, const View& view,
                     std::span<float> target) {
  const int64_t width = shape[1], channels = shape[2];
  const Taps rows = taps_of(view.rows), columns = taps_of(view.columns);
  const auto length = static_cast<size_t>((columns.end - columns.begin) * channels);
  std::vector<float> row(length);
  float* out = target.data();
  for (const Taps::Run& vertical : rows.runs) {
    std::fill(row.begin(), row.end(), 0.0f);
    const Pixel* from = image.data() + (vertical.begin * width + columns.begin) * channels;
    for (size_t tap = 0; tap < vertical.count; ++tap) {
      const float weight = rows.weights[vertical.first + tap];
      for (size_t i = 0; i < length; ++i) row[i] += weight * static_cast<float>(from[i]);
      from += width * channels;
    }
    for (const Taps::Run& horizontal : columns.runs) {
      const float* pixel = row.data() + (horizontal.begin - columns.begin) * channels;
      const auto weights = std::span(columns.weights).subspan(horizontal.first, horizontal.count);
      if (channels == 3)
        sum_pixels<3>(pixel, weights, channels, out);
      else
        sum_pixels<0>(pixel, weights, channels, out);
      out += channels;
    }
  }
}

// The middle `count` of `resized` pixels; halves go to the even neighbour, as Python rounds.
ResizedAxis middle(int64_t length, int64_t resized, int64_t count) {
  const auto first = static_cast<int64_t>(std::nearbyint(static_cast<double>(resized - count) / 2));
  return {.begin = 0, .length = length, .resized = resized, .first = first, .count = count};
}

}  // namespace

View centre_view(const Shape& image, int64_t shorter, int64_t height, int64_t width) {
  const int64_t least = std::min(image[0], image[1]);
  return {middle(image[0], shorter * image[0] / least, height),
          middle(image[1], shorter * image[1] / least, width)};
}

void resample(std::span<const uint8_t> image, const Shape& shape, const View& view, std::span<float> target) {
  resample_pixels(image, shape, view, target);
}

void resample(std::span<const float> image, const Shape& shape, const View& view, std::span<float> target) {
  resample_pixels(image, shape, view, target);
}

}  // namespace espalier::datasets
