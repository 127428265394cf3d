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

using Image = std::vector<float>;
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

Image sample(const Dataset& data, int64_t index, int64_t epoch) {
  Image image(static_cast<size_t>(data.image_shape().numel()));
  CHECK(data.sample(index, epoch, image) == index);
  for (float& value : image) value = std::round(value);
  return image;
}

float& at(Image& image, int64_t y, int64_t x, int64_t channel) {
  return image[static_cast<size_t>((y * kWidth + x) * kChannels + channel)];
}

// The plain image moved, with zeros from outside.
Image moved(int64_t down, int64_t right) {
  Image plain = sample(*numbered(), 0, 0), result(plain.size());
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
    std::set<Image> expected, seen;
    for (int64_t down = -margin; down <= margin; ++down)
      for (int64_t right = -margin; right <= margin; ++right) expected.insert(moved(down, right));
    for (int64_t epoch = 0; epoch < 3000; ++epoch) seen.insert(sample(*data, 0, epoch));
    CHECK(seen == expected);
  }
}

TEST_CASE("flip mirrors half of the images from left to right, channels kept") {
  const auto data = augmented(numbered(), {.flip = true}, 1);
  const Image plain = sample(*numbered(), 0, 0);
  Image source = plain, mirrored(plain.size());
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x)
      for (int64_t channel = 0; channel < kChannels; ++channel)
        at(mirrored, y, x, channel) = at(source, y, kWidth - 1 - x, channel);
  int flips = 0;
  for (int64_t epoch = 0; epoch < 1000; ++epoch) {
    const Image image = sample(*data, 1, epoch);
    REQUIRE((image == plain || image == mirrored));
    flips += image == mirrored;
  }
  CHECK(flips > 430);
  CHECK(flips < 570);
}

TEST_CASE("cutout zeroes one square around any pixel, clipped at the border, and nothing else") {
  const auto data = augmented(numbered(), {.cutout = 3}, 1);
  std::set<Image> expected, seen;
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x) {
      Image image = moved(0, 0);
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
    std::vector<Image> result;
    for (int64_t i = 19; i >= 0; --i) result.push_back(sample(*data, i, epoch));
    return result;
  };
  CHECK(images(1, 4) == images(1, 4));
  CHECK(images(1, 4) != images(1, 5));
  CHECK(images(1, 4) != images(2, 4));
  const std::vector<Image> one_epoch = images(1, 4);
  CHECK(std::set<Image>(one_epoch.begin(), one_epoch.end()).size() > 10);

  const auto data = augmented(numbered(), all, 1);
  Image plain(60), same(60);
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
    Image all;
    for (Batch batch; loader.next(batch);) {
      const Image images = batch.images.to_vector<float>();
      all.insert(all.end(), images.begin(), images.end());
    }
    return all;
  };
  const Image first = epoch(3, 1, 0);
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
  Image a(28 * 28), b(28 * 28);
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

TEST_CASE("no augmentation leaves the data set itself, and impossible ones are refused") {
  const auto data = numbered();
  CHECK(augmented(data, {}, 1) == data);
  CHECK_ERROR(augmented(data, {.pad_crop = -1}, 1), "[augment] pad_crop = -1; expected 0 to 4096");
  CHECK_ERROR(augmented(data, {.cutout = 5000}, 1), "[augment] cutout = 5000; expected 0 to 4096");
}

}  // namespace
}  // namespace espalier::datasets
