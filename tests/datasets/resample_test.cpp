#include "datasets/resample.h"

#include <vector>

#include "tests/support/catch.h"
#include "tests/support/golden.h"

namespace espalier::datasets {
namespace {

// The pixels that tests/golden/make_resample.py makes.
std::vector<uint8_t> pixels(int64_t height, int64_t width) {
  std::vector<uint8_t> result;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t channel = 0; channel < 3; ++channel)
        result.push_back(static_cast<uint8_t>((31 * y + 17 * x + 59 * channel + 7 * x * y) % 256));
  return result;
}

std::vector<float> resampled(const std::vector<uint8_t>& image, const Shape& shape, const View& view) {
  std::vector<float> result(static_cast<size_t>(view.rows.count * view.columns.count * shape[2]));
  resample(image, shape, view, result);
  return result;
}

void check_equal(const std::vector<float>& values, const nlohmann::json& expected) {
  REQUIRE(values.size() == expected.size());
  for (size_t i = 0; i < values.size(); ++i) CHECK(std::abs(values[i] - expected[i].get<float>()) < 1e-3f);
}

TEST_CASE("the middle of a resized image is that of torchvision's Resize and CenterCrop") {
  const nlohmann::json all = test::read_golden("resample.json");
  for (const auto& golden : all["centre"]) {
    const int64_t height = golden["image"][0], width = golden["image"][1], size = golden["size"];
    const Shape shape{height, width, 3};
    check_equal(resampled(pixels(height, width), shape, centre_view(shape, golden["shorter"], size, size)),
                golden["pixels"]);
  }
}

TEST_CASE("a resized part of an image is that of torchvision's resized_crop, and of floats as of bytes") {
  const nlohmann::json all = test::read_golden("resample.json");
  for (const auto& golden : all["crop"]) {
    const int64_t height = golden["image"][0], width = golden["image"][1], size = golden["size"];
    const auto part = golden["part"].get<std::vector<int64_t>>();
    const View view{{part[0], part[2], size, 0, size}, {part[1], part[3], size, 0, size}};
    const std::vector<uint8_t> bytes = pixels(height, width);
    const std::vector<float> values = resampled(bytes, {height, width, 3}, view);
    check_equal(values, golden["pixels"]);
    std::vector<float> of_floats(values.size());
    resample(std::vector<float>(bytes.begin(), bytes.end()), {height, width, 3}, view, of_floats);
    CHECK(of_floats == values);
  }
}

TEST_CASE(
    "halving weighs four pixels of a row by 1, 3, 3 and 1 eighths, and those at the border by 3, 3 and 1") {
  const std::vector<uint8_t> row{7, 14, 80, 160, 40, 16};
  const std::vector<float> halved = resampled(row, {1, 6, 1}, {{0, 1, 1, 0, 1}, {0, 6, 3, 0, 3}});
  CHECK(halved[0] == Approx((3 * 7 + 3 * 14 + 80) / 7.0));
  CHECK(halved[1] == Approx((14 + 3 * 80 + 3 * 160 + 40) / 8.0));
  CHECK(halved[2] == Approx((160 + 3 * 40 + 3 * 16) / 7.0));
}

TEST_CASE("an image of its own size stays as it is, and a kept part of a resized image is that part") {
  const std::vector<uint8_t> image = pixels(6, 5);
  const Shape shape{6, 5, 3};
  CHECK(resampled(image, shape, centre_view(shape, 5, 6, 5)) ==
        std::vector<float>(image.begin(), image.end()));
  const std::vector<float> whole = resampled(image, shape, {{1, 5, 9, 0, 9}, {0, 5, 8, 0, 8}});
  const std::vector<float> part = resampled(image, shape, {{1, 5, 9, 4, 2}, {0, 5, 8, 3, 3}});
  for (size_t y = 0; y < 2; ++y)
    for (size_t i = 0; i < 3 * 3; ++i) CHECK(part[9 * y + i] == whole[24 * (y + 4) + 9 + i]);
}

}  // namespace
}  // namespace espalier::datasets
