#include "datasets/augment.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "datasets/loader.h"
#include "datasets/memory.h"
#include "tests/support/catch.h"

namespace espalier::datasets {
namespace {

using Pixels = std::vector<float>;
constexpr int64_t kHeight = 5, kWidth = 6, kChannels = 2;

// Pixel (y, x) of image i has channels 1 + (y * width + x) and 101 + the same, and its label is i.
std::shared_ptr<const Dataset> numbered(int images = 3) {
  MemoryImages data{.image_shape = {kHeight, kWidth, kChannels},
                    .classes = images,
                    .normalisation = {{0, 0}, {1 / 255.0, 1 / 255.0}}};
  for (int i = 0; i < images; ++i) {
    data.labels.push_back(i);
    for (int pixel = 0; pixel < kHeight * kWidth; ++pixel)
      for (int channel = 0; channel < kChannels; ++channel)
        data.pixels.push_back(static_cast<uint8_t>(1 + pixel + 100 * channel));
  }
  return std::make_shared<MemoryDataset>(std::move(data), "numbered");
}

Pixels sample(const Dataset& data, int64_t index, int64_t epoch) {
  Pixels image(static_cast<size_t>(data.image_shape().numel()));
  CHECK(data.sample(index, epoch, image) == index);
  for (float& value : image) value = std::round(value);
  return image;
}

float& at(Pixels& image, int64_t y, int64_t x, int64_t channel) {
  return image[static_cast<size_t>((y * kWidth + x) * kChannels + channel)];
}

// The plain image moved, with zeros from outside.
Pixels moved(int64_t down, int64_t right) {
  Pixels plain = sample(*numbered(), 0, 0), result(plain.size());
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x)
      for (int64_t channel = 0; channel < kChannels; ++channel)
        if (y - down >= 0 && y - down < kHeight && x - right >= 0 && x - right < kWidth)
          at(result, y, x, channel) = at(plain, y - down, x - right, channel);
  return result;
}

TEST_CASE("pad_crop moves an image by every offset up to the margin, and by no other") {
  for (int64_t margin : {2, 7}) {  // 7 is beyond the image
    const auto data = augmented(numbered(), {.pad_crop = margin}, 1);
    std::set<Pixels> expected, seen;
    for (int64_t down = -margin; down <= margin; ++down)
      for (int64_t right = -margin; right <= margin; ++right) expected.insert(moved(down, right));
    for (int64_t epoch = 0; epoch < 3000; ++epoch) seen.insert(sample(*data, 0, epoch));
    CHECK(seen == expected);
  }
}

TEST_CASE("flip mirrors half of the images from left to right, channels kept") {
  const auto data = augmented(numbered(), {.flip = true}, 1);
  const Pixels plain = sample(*numbered(), 0, 0);
  Pixels source = plain, mirrored(plain.size());
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x)
      for (int64_t channel = 0; channel < kChannels; ++channel)
        at(mirrored, y, x, channel) = at(source, y, kWidth - 1 - x, channel);
  int flips = 0;
  for (int64_t epoch = 0; epoch < 1000; ++epoch) {
    const Pixels image = sample(*data, 1, epoch);
    REQUIRE((image == plain || image == mirrored));
    flips += image == mirrored;
  }
  CHECK(flips > 430);
  CHECK(flips < 570);
}

TEST_CASE("cutout zeroes one square around any pixel, clipped at the border, and nothing else") {
  const auto data = augmented(numbered(), {.cutout = 3}, 1);
  std::set<Pixels> expected, seen;
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x) {
      Pixels image = moved(0, 0);
      for (int64_t row = std::max<int64_t>(0, y - 1); row <= std::min(kHeight - 1, y + 1); ++row)
        for (int64_t column = std::max<int64_t>(0, x - 1); column <= std::min(kWidth - 1, x + 1); ++column)
          at(image, row, column, 0) = at(image, row, column, 1) = 0;
      expected.insert(image);
    }
  for (int64_t epoch = 0; epoch < 1000; ++epoch) seen.insert(sample(*data, 0, epoch));
  CHECK(seen == expected);
}

TEST_CASE("an augmented image depends on seed, epoch and index, and get() leaves it plain") {
  const Augmentation all{.pad_crop = 2, .flip = true, .cutout = 2};
  const auto images = [&](uint64_t seed, int64_t epoch) {
    const auto data = augmented(numbered(20), all, seed);
    std::vector<Pixels> result;
    for (int64_t i = 19; i >= 0; --i) result.push_back(sample(*data, i, epoch));
    return result;
  };
  CHECK(images(1, 4) == images(1, 4));
  CHECK(images(1, 4) != images(1, 5));
  CHECK(images(1, 4) != images(2, 4));
  const std::vector<Pixels> one_epoch = images(1, 4);
  CHECK(std::set<Pixels>(one_epoch.begin(), one_epoch.end()).size() > 10);

  const auto data = augmented(numbered(), all, 1);
  Pixels plain(60), same(60);
  numbered()->get(2, plain);
  CHECK(data->get(2, same) == 2);
  CHECK(same == plain);
}

TEST_CASE("another augmentation leaves the draws of the first as they were") {
  const auto one = augmented(numbered(), {.pad_crop = 2}, 1);
  const auto two = augmented(numbered(), {.pad_crop = 2, .flip = true}, 1);
  int same = 0;
  for (int64_t epoch = 0; epoch < 100; ++epoch) same += sample(*one, 0, epoch) == sample(*two, 0, epoch);
  CHECK(same > 30);
  CHECK(same < 70);
}

TEST_CASE("the loader hands on the epoch: batches differ between epochs and not between numbers of workers") {
  const auto data = augmented(numbered(50), {.pad_crop = 2, .flip = true}, 1);
  const auto epoch = [&](int64_t number, int workers, int prefetch) {
    Loader loader(data, {.batch_size = 4, .shuffle = true, .prefetch = prefetch, .workers = workers});
    loader.start(number);
    Pixels all;
    for (Batch batch; loader.next(batch);) {
      const Pixels images = batch.images.to_vector<float>();
      all.insert(all.end(), images.begin(), images.end());
    }
    return all;
  };
  const Pixels first = epoch(3, 1, 0);
  CHECK(first.size() == 50 * 60);
  for (int workers : {1, 2, 5, 16})
    for (int prefetch : {1, 4}) CHECK(epoch(3, workers, prefetch) == first);
  CHECK(epoch(4, 2, 4) != first);
}

TEST_CASE("only the training images of a split are augmented") {
  const DataOptions plain{.validation = 100, .limit = 300};
  DataOptions changed = plain;
  changed.augmentation = {.pad_crop = 4};
  const Split before = load("synthetic", plain), after = load("synthetic", changed);
  Pixels a(28 * 28), b(28 * 28);
  const auto differing = [&](const Dataset& one, const Dataset& other) {
    int count = 0;
    for (int64_t i = 0; i < one.size(); ++i) {
      CHECK(one.sample(i, 0, a) == other.sample(i, 0, b));
      count += a != b;
    }
    return count;
  };
  CHECK(differing(*before.train, *after.train) > 150);
  CHECK(differing(*before.validation, *after.validation) == 0);
  CHECK(differing(*before.test, *after.test) == 0);
}

TEST_CASE("a random crop covers the share of the area and the aspects it was told, anywhere in the image") {
  const Shape shape{300, 400, 3};
  RandomStream random(1, "test");
  std::vector<double> areas, aspects;
  int64_t top = 300, bottom = 0, left = 400, right = 0;
  for (int i = 0; i < 5000; ++i) {
    const View view = random_resized_view(shape, 0.08, 22, 33, random);
    CHECK(view.rows == ResizedAxis{view.rows.begin, view.rows.length, 22, 0, 22});
    CHECK(view.columns == ResizedAxis{view.columns.begin, view.columns.length, 33, 0, 33});
    top = std::min(top, view.rows.begin);
    left = std::min(left, view.columns.begin);
    bottom = std::max(bottom, view.rows.begin + view.rows.length);
    right = std::max(right, view.columns.begin + view.columns.length);
    const auto rows = static_cast<double>(view.rows.length),
               columns = static_cast<double>(view.columns.length);
    areas.push_back(rows * columns / (300 * 400));
    aspects.push_back(std::log(columns / rows));
  }
  CHECK(std::vector{top, left, bottom, right} == std::vector<int64_t>{0, 0, 300, 400});
  const auto [least, most] = std::minmax_element(areas.begin(), areas.end());
  CHECK(*least == Approx(0.08).margin(0.003));
  CHECK(*most > 0.95);
  const auto [narrowest, widest] = std::minmax_element(aspects.begin(), aspects.end());
  CHECK(*narrowest == Approx(std::log(3.0 / 4)).margin(0.02));
  CHECK(*widest == Approx(std::log(4.0 / 3)).margin(0.02));
  // Uniform in the logarithm: as many wide as tall, but for large parts that a wide image holds only wide.
  const auto tall = std::count_if(aspects.begin(), aspects.end(), [](double aspect) { return aspect < 0; });
  CHECK(tall > 1800);
  CHECK(tall < 2500);
}

TEST_CASE("an image too long for any crop gives its middle of the most extreme aspect") {
  RandomStream random(1, "test");
  CHECK(random_resized_view({10, 1000, 3}, 1, 8, 8, random) == View{{0, 10, 8, 0, 8}, {493, 13, 8, 0, 8}});
  CHECK(random_resized_view({1000, 9, 3}, 1, 8, 8, random) == View{{494, 12, 8, 0, 8}, {0, 9, 8, 0, 8}});
  CHECK(random_resized_view({1, 1, 3}, 1, 8, 8, random) == View{{0, 1, 8, 0, 8}, {0, 1, 8, 0, 8}});
}

TEST_CASE("images in memory are cropped to a part of themselves at their own size") {
  const auto data = augmented(numbered(), {.random_resized_crop = 0.3}, 1);
  Pixels plain(kHeight * kWidth * kChannels), image(plain.size());
  numbered()->get(1, plain);
  std::set<Pixels> parts, seen;
  for (int64_t rows = 1; rows <= kHeight; ++rows)
    for (int64_t columns = 1; columns <= kWidth; ++columns)
      for (int64_t top = 0; top <= kHeight - rows; ++top)
        for (int64_t left = 0; left <= kWidth - columns; ++left) {
          resample(plain, data->image_shape(),
                   {{top, rows, kHeight, 0, kHeight}, {left, columns, kWidth, 0, kWidth}}, image);
          parts.insert(image);
        }
  for (int64_t epoch = 0; epoch < 500; ++epoch) {
    CHECK(data->sample(1, epoch, image) == 1);
    REQUIRE(parts.contains(image));
    seen.insert(image);
  }
  CHECK(seen.size() > 30);
}

TEST_CASE("brightness, contrast and saturation change pixels as their formulas say, clamped, in that order") {
  const Pixels before{0.2f, 0.4f, 0.6f, 0.8f, 0.1f, 0.3f};
  const auto changed = [&](const ColorJitter& factors) {
    Pixels image = before;
    change_colors(image, 3, factors);
    return image;
  };
  const auto near = [](const Pixels& image, const std::vector<double>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) CHECK(image[i] == Approx(expected[i]).margin(1e-5));
  };
  near(changed({1, 1, 1}), {0.2, 0.4, 0.6, 0.8, 0.1, 0.3});
  near(changed({1.5, 1, 1}), {0.3, 0.6, 0.9, 1, 0.15, 0.45});
  near(changed({0, 1, 1}), {0, 0, 0, 0, 0, 0});
  // The greys are 0.36298 and 0.33202, and 0.3475 is their mean.
  near(changed({1, 0.5, 1}), {0.27375, 0.37375, 0.47375, 0.57375, 0.22375, 0.32375});
  near(changed({1, 0, 1}), {0.3475, 0.3475, 0.3475, 0.3475, 0.3475, 0.3475});
  near(changed({1, 1, 0}), {0.36298, 0.36298, 0.36298, 0.33202, 0.33202, 0.33202});
  near(changed({1, 1, 2}), {0.03702, 0.43702, 0.83702, 1, 0, 0.26798});
  // Brightness first: 0.4, 0.8, 1 (clamped) and 1, 0.2, 0.6 have the greys 0.70316 and 0.4847, mean 0.59393.
  near(changed({2, 0.5, 1}), {0.496965, 0.696965, 0.796965, 0.796965, 0.396965, 0.596965});
  Pixels grey{0.2f, 0.6f};
  change_colors(grey, 1, {1, 0.5, 0});
  near(grey, {0.3, 0.5});
}

TEST_CASE("colours change before they are normalised, by factors within their strengths") {
  MemoryImages data{.image_shape = {1, 1, 3},
                    .classes = 1,
                    .pixels = {51, 102, 153},
                    .labels = {0},
                    .normalisation = {{0.5, 0.4, 0.3}, {0.2, 0.3, 0.4}}};
  const Normalisation normalisation = data.normalisation;
  const auto whole = std::make_shared<MemoryDataset>(std::move(data), "one pixel");
  const auto jittered = augmented(whole, {.color_jitter = {.brightness = 0.4}}, 1, normalisation);
  double least = 9, most = 0, sum = 0;
  Pixels image(3);
  for (int64_t epoch = 0; epoch < 2000; ++epoch) {
    jittered->sample(0, epoch, image);
    const double factor = (image[0] * 0.2 + 0.5) / 0.2;
    CHECK(image[1] == Approx((factor * 0.4 - 0.4) / 0.3).margin(1e-4));
    CHECK(image[2] == Approx((factor * 0.6 - 0.3) / 0.4).margin(1e-4));
    least = std::min(least, factor);
    most = std::max(most, factor);
    sum += factor;
  }
  CHECK(least == Approx(0.6).margin(0.005));
  CHECK(most == Approx(1.4).margin(0.005));
  CHECK(sum / 2000 == Approx(1).margin(0.02));
  const auto strong = augmented(whole, {.color_jitter = {.brightness = 3}}, 1, normalisation);
  for (int64_t epoch = 0; epoch < 200; ++epoch) {
    strong->sample(0, epoch, image);
    CHECK(image[0] >= (0 - 0.5) / 0.2 - 1e-4);
    CHECK(image[0] <= (1 - 0.5) / 0.2 + 1e-4);
  }
}

TEST_CASE("no augmentation leaves the data set itself, and impossible ones are refused") {
  const auto data = numbered();
  CHECK(augmented(data, {}, 1) == data);
  CHECK_ERROR(augmented(data, {.pad_crop = -1}, 1), "[augment] pad_crop = -1; expected 0 to 4096");
  CHECK_ERROR(augmented(data, {.cutout = 5000}, 1), "[augment] cutout = 5000; expected 0 to 4096");
  CHECK_ERROR(augmented(data, {.random_resized_crop = 1.5}, 1),
              "[augment] random_resized_crop = 1.5; expected a share of the area, 0 to 1");
  CHECK_ERROR(augmented(data, {.color_jitter = {.contrast = -1}}, 1),
              "[augment] color_jitter.contrast = -1; expected >= 0");
  CHECK_ERROR(augmented(data, {.color_jitter = {.contrast = 1}}, 1),
              "[augment] color_jitter of images of 2 channels; expected 1 or 3");
  CHECK_ERROR(augmented(load("synthetic", {}).train, {.color_jitter = {.contrast = 1}}, 1),
              "normalised by 0 means and 0 standard deviations");
}

}  // namespace
}  // namespace espalier::datasets
