#include "datasets/cifar.h"

#include "core/io/file.h"
#include "datasets/dataset.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/mutate.h"

namespace espalier::datasets {
namespace {

using Bytes = std::vector<std::byte>;
constexpr size_t kPlane = 32 * 32;

// Image i is labelled labels[i]; its planes count 10 i, 10 i + 1 and 10 i + 2, but for the second pixel,
// which is 100 more.
Bytes records(const std::vector<int>& labels, size_t label_bytes = 1) {
  Bytes bytes;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (label_bytes == 2) bytes.push_back(std::byte{19});  // the coarse class
    bytes.push_back(static_cast<std::byte>(labels[i]));
    for (size_t channel = 0; channel < 3; ++channel) {
      bytes.insert(bytes.end(), kPlane, static_cast<std::byte>(10 * i + channel));
      bytes[bytes.size() - kPlane + 1] = static_cast<std::byte>(10 * i + channel + 100);
    }
  }
  return bytes;
}

void write_cifar10(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (int batch = 1; batch <= 5; ++batch)
    write_file(folder / fmt::format("data_batch_{}.bin", batch), records({batch, 9}));
  write_file(folder / "test_batch.bin", records({7, 8, 0}));
}

TEST_CASE("CIFAR's planes become channels of the pixels, and labels stay beside their images") {
  CifarImages images;
  decode_cifar(records({3, 9}), kCifar10Format, "a", images);
  decode_cifar(records({0}), kCifar10Format, "b", images);
  CHECK(images.labels == std::vector<int32_t>{3, 9, 0});
  REQUIRE(images.pixels.size() == 3 * 3 * kPlane);
  const auto at = [&](size_t image, size_t pixel) {
    const uint8_t* p = &images.pixels[3 * (image * kPlane + pixel)];
    return std::vector<int>{p[0], p[1], p[2]};
  };
  CHECK(at(0, 0) == std::vector<int>{0, 1, 2});
  CHECK(at(0, 1) == std::vector<int>{100, 101, 102});
  CHECK(at(1, 1023) == std::vector<int>{10, 11, 12});
  CHECK(at(2, 1) == std::vector<int>{100, 101, 102});
}

TEST_CASE("CIFAR-100's label is the fine class, its second byte") {
  CifarImages images;
  decode_cifar(records({99, 20}, 2), kCifar100Format, "a", images);
  CHECK(images.labels == std::vector<int32_t>{99, 20});
  CHECK(images.pixels[2] == 2);
}

TEST_CASE("a CIFAR file cut short, empty or with a class that is none is an error that names it") {
  CifarImages images;
  const Bytes whole = records({1, 2});
  CHECK_ERROR(decode_cifar(std::span(whole).first(whole.size() - 1), kCifar10Format, "cut.bin", images),
              "[cifar] cut.bin: 6145 bytes; expected a positive multiple of 3073");
  CHECK_ERROR(decode_cifar({}, kCifar10Format, "none.bin", images), "[cifar] none.bin: 0 bytes");
  CHECK_ERROR(decode_cifar(records({1, 10}), kCifar10Format, "a.bin", images),
              "[cifar] a.bin: label 10 of record 1; expected 0 to 9");
  CHECK_ERROR(decode_cifar(records({100}, 2), kCifar100Format, "a.bin", images),
              "label 100 of record 0; expected 0 to 99");
}

TEST_CASE("CIFAR is found in its official folder and in the folder itself, all batches in order") {
  const test::TemporaryFolder folder;
  write_cifar10(folder / "cifar-10-batches-bin");
  for (const auto& root : {folder.path(), folder / "cifar-10-batches-bin"}) {
    const Split split = load("cifar10", {.data_dir = root});
    REQUIRE(split.train->size() == 10);
    CHECK(split.test->size() == 3);
    CHECK(split.train->classes() == 10);
    REQUIRE(split.train->image_shape() == Shape{32, 32, 3});
    std::vector<float> image(3 * kPlane);
    CHECK(split.train->get(8, image) == 5);
    CHECK(image[1] == Approx((1 / 255.0 - 0.4822) / 0.2435));
    CHECK(split.train->get(9, image) == 9);
    CHECK(image[3] == Approx((110 / 255.0 - 0.4914) / 0.2470));
  }
  std::filesystem::create_directories(folder / "cifar-100-binary");
  write_file(folder / "cifar-100-binary/train.bin", records({42}, 2));
  write_file(folder / "cifar-100-binary/test.bin", records({41, 99}, 2));
  const Split hundred = load("cifar100", {.data_dir = folder.path()});
  CHECK(hundred.train->classes() == 100);
  CHECK(hundred.test->size() == 2);
}

TEST_CASE("CIFAR's classes are named by the file beside the images, else by number") {
  const test::TemporaryFolder folder;
  write_cifar10(folder.path());
  CHECK(load("cifar10", {.data_dir = folder.path()}).labels[9] == "9");
  const auto write_labels = [&](const std::string& text) { write_file(folder / "batches.meta.txt", text); };
  write_labels("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  CHECK(load("cifar10", {.data_dir = folder.path()}).labels[9] == "truck");
  write_labels("airplane\n");
  CHECK_ERROR(load("cifar10", {.data_dir = folder.path()}),
              "batches.meta.txt: 1 names of classes; expected 10");
}

TEST_CASE("CIFAR that is missing, in part or whole, is an error that lists what lacks where") {
  const test::TemporaryFolder folder;
  CHECK_ERROR(load("cifar100", {.data_dir = folder.path()}), "cifar-100-binary.tar.gz");
  write_cifar10(folder.path());
  std::filesystem::remove(folder / "data_batch_3.bin");
  CHECK_ERROR(load("cifar10", {.data_dir = folder.path()}), "lacks data_batch_3.bin");
}

TEST_CASE("a normalisation that is asked for stands in for the data set's own") {
  const test::TemporaryFolder folder;
  write_cifar10(folder.path());
  const Split split =
      load("cifar10", {.data_dir = folder.path(), .normalisation = {{0.1, 0.2, 0.3}, {1, 2, 4}}});
  std::vector<float> image(3 * kPlane);
  split.test->get(0, image);
  CHECK(image[2] == Approx((2 / 255.0 - 0.3) / 4));
  CHECK_ERROR(load("cifar10", {.data_dir = folder.path(), .normalisation = {.mean = {0.5}}}),
              "1 means and 3 standard deviations for 3 channels");
  CHECK_ERROR(load("synthetic", {.normalisation = {.standard_deviation = {-1}}}),
              "standard deviation -1 of channel 0");
}

TEST_CASE("any damage to a CIFAR file is decoded or refused within the memory of the file", "[fuzz]") {
  const Bytes original = records({1, 2, 3, 4});
  int decoded = 0, refused = 0;
  for (uint64_t seed = 0; seed < 10000; ++seed) {
    const Bytes bytes = test::mutate(original, seed);
    const test::AllocationMeter meter;
    std::string refusal;
    size_t images_found = 0;
    try {
      CifarImages images;
      decode_cifar(bytes, kCifar10Format, "fuzz", images);
      images_found = images.labels.size();
    } catch (const Error& error) {
      refusal = error.what();
    }
    REQUIRE(meter.peak() <= bytes.size() + 4096);
    if (refusal.empty()) {
      ++decoded;
      REQUIRE(images_found == bytes.size() / 3073);
    } else {
      ++refused;
      REQUIRE(refusal.rfind("[cifar] fuzz", 0) == 0);
    }
  }
  CHECK(decoded > 100);  // flips of pixels change no structure
  CHECK(refused > 1000);
}

}  // namespace
}  // namespace espalier::datasets
