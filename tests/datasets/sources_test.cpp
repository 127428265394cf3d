#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "core/io/file.h"
#include "datasets/dataset.h"
#include "datasets/memory.h"
#include "tests/datasets/idx_bytes.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier::datasets {
namespace {

using test::Bytes;
using test::gzip;
using test::idx_bytes;

constexpr uint32_t kPixels = 28 * 28;

// Image i is filled with the byte first + i and labelled i % 10.
Bytes images(uint32_t count, uint8_t first = 0) {
  std::vector<uint8_t> values;
  for (uint32_t i = 0; i < count; ++i) values.insert(values.end(), kPixels, static_cast<uint8_t>(first + i));
  return idx_bytes({count, 28, 28}, values);
}

Bytes labels(uint32_t count) {
  std::vector<uint8_t> values;
  for (uint32_t i = 0; i < count; ++i) values.push_back(static_cast<uint8_t>(i % 10));
  return idx_bytes({count}, values);
}

void write_set(const std::filesystem::path& folder, uint8_t first = 0) {
  std::filesystem::create_directories(folder);
  write_file(folder / "train-images-idx3-ubyte", images(12, first));
  write_file(folder / "train-labels-idx1-ubyte.gz", gzip(labels(12)));
  write_file(folder / "t10k-images.idx3-ubyte.gz", gzip(images(3, first)));
  write_file(folder / "t10k-labels.idx1-ubyte", labels(3));
}

float first_pixel(const Dataset& data, int64_t index) {
  std::vector<float> image(static_cast<size_t>(data.image_shape().numel()));
  data.get(index, image);
  return image[0];
}

// Sets $ESPALIER_DATA for a scope.
class DataVariable {
 public:
  explicit DataVariable(const std::string& value) {
    if (const char* before = std::getenv("ESPALIER_DATA")) before_ = before;
    setenv("ESPALIER_DATA", value.c_str(), 1);
  }
  ~DataVariable() {
    if (before_.empty())
      unsetenv("ESPALIER_DATA");
    else
      setenv("ESPALIER_DATA", before_.c_str(), 1);
  }
  DataVariable(const DataVariable&) = delete;
  DataVariable& operator=(const DataVariable&) = delete;

 private:
  std::string before_;
};

// Mean and standard deviation of all pixels, and the images per class.
struct Statistics {
  double mean = 0, deviation = 0;
  std::vector<int64_t> per_class;
};

Statistics statistics(const Dataset& data) {
  Statistics result;
  result.per_class.resize(static_cast<size_t>(data.classes()));
  std::vector<float> image(static_cast<size_t>(data.image_shape().numel()));
  double squares = 0;
  for (int64_t i = 0; i < data.size(); ++i) {
    ++result.per_class.at(static_cast<size_t>(data.get(i, image)));
    for (float value : image) {
      result.mean += value;
      squares += double{value} * value;
    }
  }
  const double count = static_cast<double>(data.size()) * static_cast<double>(image.size());
  result.mean /= count;
  result.deviation = std::sqrt(squares / count - result.mean * result.mean);
  return result;
}

TEST_CASE("MNIST is found in its subfolder and in the folder itself, plain or gzip, under both spellings") {
  const test::TemporaryFolder folder;
  for (const char* place : {"mnist", "."}) {
    const auto root = folder / (place[0] == '.' ? "direct" : "nested");
    write_set(root / place);
    const Split split = load("mnist", {.data_dir = root});
    CHECK(split.train->size() == 12);
    CHECK(split.test->size() == 3);
    CHECK(split.validation == nullptr);
    CHECK(split.train->image_shape() == Shape{28, 28, 1});
    CHECK(split.train->classes() == 10);
  }
}

TEST_CASE("pixels are normalised with the constants of their set") {
  const test::TemporaryFolder folder;
  write_set(folder / "mnist", 100);
  write_set(folder / "fashion-mnist", 100);
  const Split digits = load("mnist", {.data_dir = folder.path()});
  const Split clothes = load("fashion_mnist", {.data_dir = folder.path()});
  CHECK(first_pixel(*digits.train, 3) == Approx((103 / 255.0 - 0.1307) / 0.3081));
  CHECK(first_pixel(*clothes.test, 2) == Approx((102 / 255.0 - 0.2860) / 0.3530));
}

TEST_CASE("data_dir alone is searched when it is given, $ESPALIER_DATA otherwise") {
  const test::TemporaryFolder given, variable;
  write_set(given / "mnist", 10);
  write_set(variable / "mnist", 20);
  const DataVariable set(variable.path().string());
  CHECK(first_pixel(*load("mnist", {.data_dir = given.path()}).train, 0) ==
        Approx((10 / 255.0 - 0.1307) / 0.3081));
  CHECK(first_pixel(*load("mnist", {}).train, 0) == Approx((20 / 255.0 - 0.1307) / 0.3081));
  CHECK_ERROR(load("mnist", {.data_dir = given / "empty"}), "/empty");
}

TEST_CASE("missing data is an error that lists where it was looked for and how to get it") {
  const test::TemporaryFolder folder;
  const DataOptions options{.data_dir = folder.path()};
  CHECK_ERROR(load("mnist", options), (folder / "mnist").string() + "\n  " + folder.path().string());
  CHECK_ERROR(load("mnist", options), "espalier data get mnist");
  CHECK_ERROR(load("fashion_mnist", options), "apt-get install dataset-fashion-mnist");
  CHECK_ERROR(load("fashion_mnist", options), (folder / "fashion-mnist").string());
}

TEST_CASE("a folder with some of the four files is an error that names the others") {
  const test::TemporaryFolder folder;
  write_set(folder / "mnist");
  std::filesystem::remove(folder / "mnist" / "train-labels-idx1-ubyte.gz");
  CHECK_ERROR(load("mnist", {.data_dir = folder.path()}), "lacks train-labels-idx1-ubyte[.gz]");
}

TEST_CASE("images and labels that disagree are an error that names the file") {
  const test::TemporaryFolder folder;
  const DataOptions options{.data_dir = folder.path()};
  const auto in = [&](const char* name) { return folder / "mnist" / name; };
  write_set(folder / "mnist");
  write_file(in("t10k-labels.idx1-ubyte"), labels(4));
  CHECK_ERROR(load("mnist", options), "t10k-labels.idx1-ubyte: labels of shape (4); expected (3)");
  write_file(in("t10k-labels.idx1-ubyte"), idx_bytes({3}, {0, 10, 1}));
  CHECK_ERROR(load("mnist", options), "t10k-labels.idx1-ubyte: label 10 of image 1; expected 0 to 9");
  write_file(in("train-images-idx3-ubyte"), idx_bytes({1, 2, 2}, {0, 0, 0, 0}));
  CHECK_ERROR(load("mnist", options),
              "train-images-idx3-ubyte: images of shape (1, 2, 2); expected (N, 28, 28)");
}

TEST_CASE("an unknown data set is an error that lists the known ones") {
  CHECK_ERROR(load("mnits", {}),
              "unknown data set 'mnits'; the data sets are mnist, fashion_mnist, cifar10, cifar100, "
              "cifar10-jpeg, synthetic");
}

TEST_CASE("images in memory are normalised per channel") {
  const MemoryDataset data({.image_shape = {1, 2, 2},
                            .classes = 3,
                            .pixels = {0, 255, 51, 102, 255, 0, 0, 0},
                            .labels = {2, 0},
                            .normalisation = {{0.0, 0.5}, {1.0, 0.25}}},
                           "here");
  std::vector<float> image(4);
  CHECK(data.get(0, image) == 2);
  CHECK(image[0] == 0.0f);
  CHECK(image[1] == 2.0f);
  CHECK(image[2] == Approx(0.2));
  CHECK(image[3] == Approx(-0.4));
  CHECK(data.get(1, image) == 0);
  CHECK(image[0] == 1.0f);
}

TEST_CASE("images in memory whose parts disagree are refused") {
  const MemoryImages good{
      .image_shape = {1, 1, 1}, .classes = 1, .pixels = {9}, .labels = {0}, .normalisation = {{0}, {1}}};
  CHECK(MemoryDataset(good, "here").size() == 1);
  const auto refuse = [&](auto change, const char* why) {
    MemoryImages bad = good;
    change(bad);
    CHECK_ERROR(MemoryDataset(bad, "here"), why);
  };
  refuse([](MemoryImages& bad) { bad.image_shape = {1, 1}; }, "[dataset] here: images of shape (1, 1)");
  refuse([](MemoryImages& bad) { bad.pixels.push_back(1); }, "1 labels for 2 images");
  refuse([](MemoryImages& bad) { bad.labels = {-1}; }, "label -1 of image 0; expected 0 to 0");
  refuse([](MemoryImages& bad) { bad.normalisation.mean.clear(); },
         "0 means and 1 standard deviations for 1 channels");
  refuse([](MemoryImages& bad) { bad.normalisation.standard_deviation = {0}; },
         "standard deviation 0 of channel 0");
}

TEST_CASE("a data set says how its pixels are normalised and what its classes are called") {
  const Split own = load("synthetic", {}), asked = load("synthetic", {.normalisation = {.mean = {0.5}}});
  CHECK(own.labels == std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  REQUIRE(own.normalisation.mean.size() == 1);
  CHECK(asked.normalisation.mean == std::vector{0.5});
  CHECK(asked.normalisation.standard_deviation == own.normalisation.standard_deviation);
}

TEST_CASE("the synthetic set is balanced, normalised and the same every time") {
  const Split first = load("synthetic", {.seed = 1}), second = load("synthetic", {.seed = 2});
  REQUIRE(first.train->size() == 6000);
  REQUIRE(first.test->size() == 1000);
  const Statistics train = statistics(*first.train);
  CHECK(std::abs(train.mean) < 0.005);
  CHECK(std::abs(train.deviation - 1) < 0.005);
  CHECK(train.per_class == std::vector<int64_t>(10, 600));
  std::vector<float> a(kPixels), b(kPixels);
  for (int64_t i : {0, 17, 5999}) {
    CHECK(first.train->get(i, a) == second.train->get(i, b));
    CHECK(a == b);
  }
}

TEST_CASE("no synthetic test image is among the training images") {
  const Split split = load("synthetic", {});
  std::vector<std::vector<float>> seen(static_cast<size_t>(split.train->size()), std::vector<float>(kPixels));
  for (int64_t i = 0; i < split.train->size(); ++i) split.train->get(i, seen[static_cast<size_t>(i)]);
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
  std::vector<float> image(kPixels);
  int repeated = 0;
  for (int64_t i = 0; i < split.test->size(); ++i) {
    split.test->get(i, image);
    repeated += std::binary_search(seen.begin(), seen.end(), image);
  }
  CHECK(repeated == 0);
}

TEST_CASE("the real MNIST has its published size, classes and normalisation") {
  if (std::getenv("ESPALIER_DATA") == nullptr) SKIP_TEST("set ESPALIER_DATA to the folder that holds mnist/");
  const Split split = load("mnist", {});
  CHECK(split.test->size() == 10000);
  REQUIRE(split.train->size() == 60000);
  const Statistics train = statistics(*split.train);
  CHECK(train.per_class == std::vector<int64_t>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  CHECK(std::abs(train.mean) < 1e-3);
  CHECK(std::abs(train.deviation - 1) < 1e-3);
}

}  // namespace
}  // namespace espalier::datasets
