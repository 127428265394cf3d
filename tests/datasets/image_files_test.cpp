#include "datasets/image_files.h"

#include <mutex>
#include <set>

#include "core/io/file.h"
#include "datasets/image.h"
#include "datasets/loader.h"
#include "tests/datasets/image_bytes.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;
using Pixels = std::vector<float>;

// Eight training and four test images of the classes ant and bee, each of its own size and red.
void write_images(const fs::path& root) {
  int red = 0;
  for (const char* part : {"train", "val"})
    for (const char* name : {"ant", "bee"}) {
      fs::create_directories(root / part / name);
      for (int number = 0; number < (part[0] == 't' ? 4 : 2); ++number, red += 20)
        write_file(root / part / name / fmt::format("{}.png", number),
                   test::png_bytes(20 + 3 * number, 31 - 5 * number, red));
    }
}

// A PNG whose header is sound and whose pixels are not.
std::vector<std::byte> headed_bytes() {
  std::vector<std::byte> bytes = test::png_bytes(20, 20);
  bytes.resize(bytes.size() / 2);
  return bytes;
}

DataOptions options() {
  return {.normalisation = {{0, 0, 0}, {1, 1, 1}}, .image_size = 8, .resize = 10};
}

Pixels get(const Dataset& data, int64_t index) {
  Pixels image(8 * 8 * 3);
  data.get(index, image);
  return image;
}

TEST_CASE("images of different sizes are shown by the middle of what their shorter side makes them") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  const Split split = load(folder.path().string(), options());
  CHECK(split.notes.empty());
  REQUIRE(split.train->size() == 8);
  REQUIRE(split.test->size() == 4);
  CHECK(split.train->image_shape() == Shape{8, 8, 3});
  CHECK(split.train->classes() == 2);
  for (int64_t i = 0; i < 8; ++i) {
    const Image file = read_image(folder / fmt::format("train/{}/{}.png", i < 4 ? "ant" : "bee", i % 4));
    const Shape shape{file.height, file.width, 3};
    Pixels expected(8 * 8 * 3), sampled(8 * 8 * 3);
    resample(file.pixels, shape, centre_view(shape, 10, 8, 8), expected);
    const Pixels image = get(*split.train, i);
    for (size_t p = 0; p < image.size(); ++p) CHECK(image[p] == Approx(expected[p] / 255).margin(1e-6));
    CHECK(split.train->sample(i, 5, sampled) == i / 4);
    CHECK(sampled == image);
  }
}

TEST_CASE("the shorter side is resized to 256 / 224 of image_size unless resize is given") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  DataOptions given = options(), derived = options();
  given.image_size = derived.image_size = 21;
  given.resize = 24;
  derived.resize = 0;
  Pixels a(21 * 21 * 3), b(21 * 21 * 3);
  load(folder.path().string(), given).test->get(3, a);
  load(folder.path().string(), derived).test->get(3, b);
  CHECK(a == b);
}

TEST_CASE("pixels are normalised by ImageNet's constants unless others are asked for") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  DataOptions own = options();
  own.normalisation = {};
  const Split plain = load(folder.path().string(), options()), split = load(folder.path().string(), own);
  const Pixels before = get(*plain.test, 1), after = get(*split.test, 1);
  const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
  for (size_t i = 0; i < before.size(); ++i)
    CHECK(after[i] == Approx((before[i] - mean[i % 3]) / deviation[i % 3]).margin(1e-5));
  CHECK(split.normalisation.mean[0] == 0.485);
}

TEST_CASE("augmented crops are made of the file's pixels, the same for any number of workers") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  DataOptions augmented = options();
  augmented.augmentation = {.random_resized_crop = 0.2,
                            .color_jitter = {.brightness = 0.4, .contrast = 0.4, .saturation = 0.4},
                            .pad_crop = 1,
                            .flip = true,
                            .cutout = 2};
  const Split split = load(folder.path().string(), augmented);
  const auto epoch = [&](int64_t number, int workers, int prefetch) {
    Loader loader(split.train, {.batch_size = 3, .shuffle = true, .prefetch = prefetch, .workers = workers});
    loader.start(number);
    Pixels all;
    for (Batch batch; loader.next(batch);) {
      const Pixels images = batch.images.to_vector<float>();
      all.insert(all.end(), images.begin(), images.end());
    }
    return all;
  };
  const Pixels first = epoch(2, 1, 0);
  CHECK(first.size() == 8 * 8 * 8 * 3);
  for (const int workers : {1, 2, 7}) CHECK(epoch(2, workers, 3) == first);
  CHECK(epoch(3, 2, 3) != first);
}

TEST_CASE("a random crop without other changes shows no pixel that is not between the file's") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  DataOptions cropped = options();
  cropped.augmentation.random_resized_crop = 0.08;
  const Split split = load(folder.path().string(), cropped);
  std::set<Pixels> seen;
  Pixels image(8 * 8 * 3);
  for (int64_t number = 0; number < 200; ++number) {
    split.train->sample(4, number, image);
    seen.insert(image);
    for (size_t i = 0; i < image.size(); i += 3) {
      REQUIRE(image[i] == Approx(80 / 255.0));
      REQUIRE(image[i + 1] >= 0);
      REQUIRE(image[i + 1] <= 7 * 19 / 255.0f + 1e-6f);
    }
  }
  CHECK(seen.size() > 150);
}

TEST_CASE("crops of a part of the training images are crops of those images, and held-out ones stay whole") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  DataOptions divided = options();
  divided.validation = 3;
  const Split plain = load(folder.path().string(), divided);
  divided.augmentation.random_resized_crop = 0.1;
  const Split cropped = load(folder.path().string(), divided);
  REQUIRE(cropped.train->size() == 5);
  Pixels image(8 * 8 * 3);
  for (int64_t i = 0; i < 5; ++i) {
    CHECK(cropped.train->sample(i, 1, image) == plain.train->get(i, image));
    CHECK(get(*cropped.train, i) == get(*plain.train, i));
    cropped.train->sample(i, 1, image);
    CHECK(image[0] == Approx(get(*plain.train, i)[0]));  // the red of the file
    CHECK(image != get(*plain.train, i));
  }
  for (int64_t i = 0; i < 3; ++i) {
    cropped.validation->sample(i, 1, image);
    CHECK(image == get(*plain.validation, i));
  }
}

TEST_CASE("files that are no images are left out when the folder is opened, counted and named") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  write_file(folder / "train/ant/1.png", "no image");
  const Split split = load(folder.path().string(), options());
  REQUIRE(split.notes.size() == 2);
  CHECK(split.notes[0].find("ant/1.png") != std::string::npos);
  CHECK(split.notes[1] == "1 of 8 images cannot be read and are left out");
  CHECK(split.train->size() == 7);
  CHECK(get(*split.train, 1)[0] == Approx(40 / 255.0));
  DataOptions strict = options();
  strict.strict = true;
  CHECK_ERROR(load(folder.path().string(), strict), "ant/1.png");
}

TEST_CASE("an image whose pixels turn out to be damaged is blank under its own label, and named once") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  write_file(folder / "val/bee/0.png", headed_bytes());
  std::vector<std::string> warnings;
  DataOptions watched = options();
  watched.warn = [&](const std::string& warning) { warnings.push_back(warning); };
  const Split split = load(folder.path().string(), watched);
  CHECK(split.notes.empty());
  REQUIRE(split.test->size() == 4);
  CHECK(warnings.empty());
  Pixels image(8 * 8 * 3, 1);
  for (int pass = 0; pass < 3; ++pass) {
    CHECK(split.test->get(2, image) == 1);
    CHECK(image == Pixels(8 * 8 * 3, 0));
    CHECK(get(*split.test, 3) != image);
  }
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("blank instead: [image]") == 0);
  CHECK(warnings[0].find("bee/0.png: damaged") != std::string::npos);

  watched.strict = true;
  const Split strict = load(folder.path().string(), watched);
  CHECK_ERROR(get(*strict.test, 2), "bee/0.png: damaged");
}

TEST_CASE("of many damaged images ten are named, whatever the number of workers") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  for (int i = 0; i < 30; ++i) write_file(folder / fmt::format("train/ant/{}.png", i), headed_bytes());
  std::vector<std::string> warnings;
  DataOptions watched = options();
  watched.warn = [&](const std::string& warning) { warnings.push_back(warning); };
  Loader loader(load(folder.path().string(), watched).train, {.batch_size = 4, .workers = 4});
  for (const int64_t epoch : {0, 1}) {
    loader.start(epoch);
    for (Batch batch; loader.next(batch);) continue;
  }
  REQUIRE(warnings.size() == 11);
  CHECK(warnings.back() == "more images like these are not named");
}

TEST_CASE("a folder decoded as it is needed holds no images in memory") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  for (int i = 0; i < 40; ++i)
    write_file(folder / fmt::format("train/ant/{}.png", i), test::png_bytes(200, 300));
  const test::AllocationMeter meter;
  const Split split = load(folder.path().string(), options());
  for (int64_t i = 0; i < split.train->size(); ++i) get(*split.train, i);
  CHECK(meter.peak() < 3 * 200 * 300 * 3);  // one of the 44 images, its file and names
}

TEST_CASE("sizes that make no sense are errors that say so") {
  const test::TemporaryFolder folder;
  write_images(folder.path());
  const auto fails = [&](int64_t image_size, int64_t resize, const char* why) {
    DataOptions wrong = options();
    wrong.image_size = image_size;
    wrong.resize = resize;
    CHECK_ERROR(load(folder.path().string(), wrong), why);
  };
  fails(0, 10, "[data] resize = 10 without image_size");
  fails(9, 8, "[images] resize = 8; expected image_size = 9 to 4096");
  fails(5000, 5000, "[images] image_size = 5000; expected 1 to 4096");
  fails(0, 0, "all must be of one size unless image_size is given");
  CHECK_ERROR(
      load("synthetic", {.image_size = 32}),
      "[data] image_size = 32, but the images of synthetic are 28 x 28; only those of folders are resized");
  DataOptions grey = options();
  grey.normalisation = {{0.5}, {1}};
  CHECK_ERROR(load(folder.path().string(), grey), "1 means and 1 standard deviations for 3 channels");
}

}  // namespace
}  // namespace espalier::datasets
