#include <algorithm>
#include <set>
#include <vector>

#include "core/io/file.h"
#include "datasets/dataset.h"
#include "tests/datasets/image_bytes.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier::datasets {
namespace {

using Pixels = std::vector<float>;

std::vector<Pixels> images(const Dataset& data) {
  std::vector<Pixels> result(static_cast<size_t>(data.size()),
                             Pixels(static_cast<size_t>(data.image_shape().numel())));
  for (int64_t i = 0; i < data.size(); ++i) data.get(i, result[static_cast<size_t>(i)]);
  return result;
}

TEST_CASE("held-out images leave the training set, and together they are the whole") {
  const std::vector<Pixels> whole = images(*load("synthetic", {.limit = 500}).train);
  const Split split = load("synthetic", {.validation = 120, .limit = 500});
  REQUIRE(split.train->size() == 380);
  REQUIRE(split.validation->size() == 120);
  CHECK(split.test->size() == 1000);
  const std::vector<Pixels> train = images(*split.train), validation = images(*split.validation);
  std::set<Pixels> both(train.begin(), train.end());
  both.insert(validation.begin(), validation.end());
  CHECK(both == std::set<Pixels>(whole.begin(), whole.end()));
}

TEST_CASE("the seed alone decides which images are held out") {
  const auto held_out = [](uint64_t seed) {
    return images(*load("synthetic", {.validation = 50, .limit = 500, .seed = seed}).validation);
  };
  const std::vector<Pixels> first = held_out(1);
  CHECK(first == held_out(1));
  CHECK(first != held_out(2));
  const std::vector<Pixels> whole = images(*load("synthetic", {.limit = 500}).train);
  CHECK(first != std::vector<Pixels>(whole.begin(), whole.begin() + 50));
}

TEST_CASE("both parts of a split keep labels beside their images") {
  const Split whole = load("synthetic", {.limit = 100});
  const Split split = load("synthetic", {.validation = 40, .limit = 100});
  const std::vector<Pixels> all = images(*whole.train);
  Pixels image(28 * 28);
  for (const auto& part : {split.train, split.validation})
    for (int64_t i = 0; i < part->size(); ++i) {
      const int32_t label = part->get(i, image);
      const auto at = std::find(all.begin(), all.end(), image);
      REQUIRE(at != all.end());
      REQUIRE(label == whole.train->get(at - all.begin(), image));
    }
}

TEST_CASE("a limit draws training images at random from the seed and leaves the test images alone") {
  const Split whole = load("synthetic", {});
  const auto drawn = [](uint64_t seed) {
    return images(*load("synthetic", {.limit = 70, .seed = seed}).train);
  };
  const std::vector<Pixels> all = images(*whole.train), some = drawn(1);
  CHECK(some.size() == 70);
  CHECK(some == drawn(1));
  CHECK(some != drawn(2));
  CHECK(some != std::vector<Pixels>(all.begin(), all.begin() + 70));
  auto next = all.begin();
  for (const Pixels& image : some) {  // in file order
    next = std::find(next, all.end(), image);
    REQUIRE(next != all.end());
    ++next;
  }
  CHECK(load("synthetic", {.limit = 70}).test->size() == whole.test->size());
  CHECK(load("synthetic", {.limit = 1000000}).train->size() == 6000);
}

TEST_CASE("a limit keeps images of every class of a folder, whose files come class by class") {
  const test::TemporaryFolder folder;
  for (const char* part : {"train", "test"})
    for (int label = 0; label < 4; ++label) {
      const std::filesystem::path images = folder / fmt::format("{}/class{}", part, label);
      std::filesystem::create_directories(images);
      for (int i = 0; i < 25; ++i)
        write_file(images / fmt::format("{}.png", i), test::png_bytes(8, 8, label));
    }
  const auto train = load(folder.path().string(), {.limit = 40}).train;
  std::set<int32_t> labels;
  Pixels image(static_cast<size_t>(train->image_shape().numel()));
  for (int64_t i = 0; i < train->size(); ++i) labels.insert(train->get(i, image));
  CHECK(labels.size() == 4);
}

TEST_CASE("impossible splits are refused") {
  CHECK_ERROR(load("synthetic", {.validation = -1}), "[data] validation = -1; expected >= 0");
  CHECK_ERROR(load("synthetic", {.limit = -5}), "[data] limit = -5; expected >= 0");
  CHECK_ERROR(load("synthetic", {.validation = 6000}), "validation = 6000 of 6000 training images");
  CHECK_ERROR(load("synthetic", {.validation = 10, .limit = 10}), "validation = 10 of 10 training images");
}

TEST_CASE("a subset reads the chosen images in the chosen order and refuses others") {
  const auto whole = load("synthetic", {}).train;
  const auto chosen = subset(whole, {5, 5, 3});
  REQUIRE(chosen->size() == 3);
  CHECK(chosen->classes() == 10);
  CHECK(chosen->image_shape() == Shape{28, 28, 1});
  Pixels image(28 * 28);
  CHECK(chosen->get(1, image) == 5);
  CHECK(chosen->get(2, image) == 3);
  CHECK_ERROR(subset(whole, {6000}), "[subset] image 6000 of a data set of 6000");
  CHECK_ERROR(subset(whole, {-1}), "[subset] image -1");
}

}  // namespace
}  // namespace espalier::datasets
