#include "datasets/image.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/io/file.h"
#include "datasets/dataset.h"
#include "tests/datasets/image_bytes.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/mutate.h"

namespace espalier::datasets {
namespace {

using test::cmyk_jpeg_bytes;
using test::grey_jpeg_bytes;
using test::jpeg_bytes;
using test::png_bytes;
using test::progressive_jpeg_bytes;
using Bytes = std::vector<std::byte>;

void write(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  write_file(path, bytes);
}

// Two classes, ant and bee; images of class c are 8 x 8 with red = 100 c + number.
void write_folder(const std::filesystem::path& root, const char* test = "test") {
  for (const char* part : {"train", test})
    for (int label : {0, 1})
      for (int number : {2, 1, 3})
        write(root / part / (label == 0 ? "ant" : "bee") / fmt::format("{}.png", number),
              png_bytes(8, 8, 100 * label + number));
}

TEST_CASE("a PNG decodes to its pixels and a JPEG to nearly those, rows before columns") {
  const Image png = decode_image(png_bytes(5, 9, 40), "a.png");
  const Image jpeg = decode_image(jpeg_bytes(5, 9, 40), "a.jpg");
  for (const Image& image : {png, jpeg}) {
    REQUIRE(image.height == 5);
    REQUIRE(image.width == 9);
    REQUIRE(image.pixels.size() == 5 * 9 * 3);
    const int tolerance = &image == &png ? 0 : 12;
    for (int y = 0; y < 5; ++y)
      for (int x = 0; x < 9; ++x) {
        const uint8_t* pixel = &image.pixels[static_cast<size_t>(3 * (9 * y + x))];
        CHECK(std::abs(pixel[0] - 40) <= 12);
        CHECK(std::abs(pixel[1] - 7 * y) <= 12);
        CHECK(std::abs(pixel[2] - 5 * x) <= 12 + tolerance);
      }
  }
  CHECK(png.pixels[3 * (9 * 2 + 4) + 1] == 14);
  CHECK(png.pixels[3 * (9 * 2 + 4) + 2] == 20);
}

TEST_CASE("what is no image, damaged or larger than the limits is an error that names the file") {
  CHECK_ERROR(decode_image({}, "none.jpg"), "[image] none.jpg: not a JPEG, PNG or BMP image");
  const Bytes png = png_bytes(20, 30);
  CHECK_ERROR(decode_image(std::span(png).first(png.size() / 2), "cut.png"), "[image] cut.png: damaged");
  CHECK_ERROR(decode_image(png, "a.png", {.side = 29}), "30 x 20 pixels; at most 29 a side");
  CHECK_ERROR(decode_image(png, "a.png", {.pixels = 599}), "30 x 20 pixels");
  CHECK_ERROR(decode_image(png, "a.png", {.bytes = 10}), "at most 10 are read");
  CHECK(decode_image(png, "a.png", {.bytes = png.size(), .side = 30, .pixels = 600}).width == 30);
}

TEST_CASE("why an image is refused does not depend on the images before it") {
  const Bytes other(20, std::byte{'d'});
  const auto refusal = [&] {
    try {
      decode_image(other, "other");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string first = refusal();
  const Bytes png = png_bytes(20, 30);
  CHECK_ERROR(decode_image(std::span(png).first(png.size() / 2), "cut.png"), "damaged");
  CHECK(refusal() == first);
}

TEST_CASE("a JPEG of endlessly many scans is refused") {
  const Bytes bytes = progressive_jpeg_bytes(16, 16);
  const Bytes marker{std::byte{0xff}, std::byte{0xda}};
  const auto last_scan = std::find_end(bytes.begin(), bytes.end(), marker.begin(), marker.end());
  const auto with_scans = [&](int count) {
    Bytes result(bytes.begin(), last_scan);
    for (int i = 0; i < count; ++i) result.insert(result.end(), last_scan, bytes.end() - 2);
    result.insert(result.end(), bytes.end() - 2, bytes.end());
    return result;
  };
  CHECK(decode_image(with_scans(3), "some.jpg").width == 16);
  CHECK_ERROR(decode_image(with_scans(600), "bomb.jpg"), "[image] bomb.jpg: damaged (more than 500 scans)");
}

TEST_CASE("a JPEG that is cut short is refused, one with bytes to spare is not") {
  Bytes bytes = jpeg_bytes(40, 40);
  CHECK_ERROR(decode_image(std::span(bytes).first(bytes.size() / 2), "cut.jpg"),
              "[image] cut.jpg: damaged (Premature end of JPEG file)");
  bytes.insert(bytes.end(), 100, std::byte{7});
  CHECK(decode_image(bytes, "long.jpg").height == 40);
  // Two stray bytes before a marker are worth a warning, and hide nothing that comes after them.
  Bytes stray = jpeg_bytes(40, 40);
  const Bytes scan{std::byte{0xff}, std::byte{0xda}};
  stray.insert(std::search(stray.begin(), stray.end(), scan.begin(), scan.end()),
               {std::byte{1}, std::byte{2}});
  CHECK(decode_image(stray, "stray.jpg").pixels == decode_image(jpeg_bytes(40, 40), "clean.jpg").pixels);
  CHECK_ERROR(decode_image(std::span(stray).first(stray.size() / 2), "both.jpg"),
              "[image] both.jpg: damaged (Premature end of JPEG file)");
}

TEST_CASE("a JPEG decodes to the pixels that PIL reads") {
  const std::filesystem::path golden = std::filesystem::path(ESPALIER_SOURCE_DIR) / "tests/golden";
  for (const char* name : {"smooth", "progressive"}) {
    const Image jpeg = read_image(golden / fmt::format("{}.jpg", name));
    CHECK(jpeg.width == 45);
    CHECK(jpeg.pixels == read_image(golden / fmt::format("{}.png", name)).pixels);
  }
}

TEST_CASE("grey and CMYK JPEGs become colour") {
  const Image grey = decode_image(grey_jpeg_bytes(8, 8, 90), "grey.jpg");
  CHECK(std::abs(grey.pixels[0] - 90) <= 2);
  CHECK(grey.pixels[0] == grey.pixels[2]);
  // 200 and 100 of 255 let through by cyan and magenta, half of everything by black.
  const Image inks = decode_image(cmyk_jpeg_bytes(8, 8, {200, 100, 255, 128}), "inks.jpg");
  CHECK(std::abs(inks.pixels[0] - 100) <= 3);
  CHECK(std::abs(inks.pixels[1] - 50) <= 3);
  CHECK(std::abs(inks.pixels[2] - 128) <= 3);
}

TEST_CASE("any damage to a JPEG or PNG is decoded or refused, soon", "[fuzz]") {
  const ImageLimits limits{.side = 512, .pixels = 512 * 512};
  for (const Bytes& original : {jpeg_bytes(16, 16), png_bytes(16, 16)}) {
    const auto begin = std::chrono::steady_clock::now();
    int decoded = 0, refused = 0;
    for (uint64_t seed = 0; seed < 10000; ++seed) {
      const Bytes bytes = test::mutate(original, seed);
      std::string refusal;
      try {
        const Image image = decode_image(bytes, "fuzz", limits);
        REQUIRE(image.pixels.size() == static_cast<size_t>(image.height * image.width * 3));
      } catch (const Error& error) {
        refusal = error.what();
        REQUIRE(refusal.rfind("[image] fuzz", 0) == 0);
      }
      ++(refusal.empty() ? decoded : refused);
    }
    CHECK(decoded > 100);
    CHECK(refused > 1000);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(120));
  }
}

TEST_CASE("a folder of images is read by class and by name, from test/ or val/") {
  for (const char* part : {"test", "val"}) {
    const test::TemporaryFolder folder;
    write_folder(folder.path(), part);
    write_file(folder / "train/ant/notes.txt", "no image");
    const Split split = load(folder.path().string(), {.normalisation = {{0, 0, 0}, {1, 1, 1}}});
    CHECK(split.notes.empty());
    REQUIRE(split.train->size() == 6);
    CHECK(split.test->size() == 6);
    CHECK(split.train->classes() == 2);
    CHECK(split.train->image_shape() == Shape{8, 8, 3});
    std::vector<float> image(8 * 8 * 3);
    for (int i = 0; i < 6; ++i) {
      CHECK(split.train->get(i, image) == i / 3);
      CHECK(image[0] == Approx((100 * (i / 3) + i % 3 + 1) / 255.0));
    }
  }
}

TEST_CASE("cifar10-jpeg is found under the data folder and normalised by CIFAR-10's constants") {
  const test::TemporaryFolder folder;
  CHECK_ERROR(load("cifar10-jpeg", {.data_dir = folder.path()}),
              "[cifar10-jpeg] no folders train/ and test/");
  write_folder(folder / "cifar10-jpeg");
  std::vector<float> image(8 * 8 * 3);
  load("cifar10-jpeg", {.data_dir = folder.path()}).test->get(5, image);
  CHECK(image[0] == Approx((103 / 255.0 - 0.4914) / 0.2470));
}

TEST_CASE("unreadable images are named, counted and left out, or errors in strict mode") {
  const test::TemporaryFolder folder;
  write_folder(folder.path());
  write_file(folder / "train/ant/1.png", "damaged");
  write_file(folder / "train/bee/2.png", "damaged");
  const Split split = load(folder.path().string(), {.normalisation = {{0, 0, 0}, {1, 1, 1}}});
  REQUIRE(split.notes.size() == 3);
  CHECK(split.notes[0].find("ant/1.png") != std::string::npos);
  CHECK(split.notes[1].find("bee/2.png") != std::string::npos);
  CHECK(split.notes[2] == "2 of 6 images cannot be read and are left out");
  REQUIRE(split.train->size() == 4);
  std::vector<float> image(8 * 8 * 3);
  const int reds[] = {2, 3, 101, 103};
  for (int i = 0; i < 4; ++i) {
    CHECK(split.train->get(i, image) == i / 2);
    CHECK(image[0] == Approx(reds[i] / 255.0));
  }
  CHECK_ERROR(load(folder.path().string(), {.strict = true}), "ant/1.png");
}

TEST_CASE("a folder that is no data set is an error that says what is wrong") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path().string();
  CHECK_ERROR(load(path, {}), "no folders train/ and test/ (or val/)");
  write_folder(folder.path());
  write(folder / "train/ant/9.png", png_bytes(9, 8));
  CHECK_ERROR(load(path, {}), "8 x 8, and all must be of one size");
  std::filesystem::remove(folder / "train/ant/9.png");
  write(folder / "train/cow/1.png", png_bytes(8, 8));
  CHECK_ERROR(load(path, {}), "the classes of train/ (ant, bee, cow) and test/ (ant, bee) differ");
  std::filesystem::remove_all(folder / "train");
  std::filesystem::create_directories(folder / "train/ant");
  CHECK_ERROR(load(path, {}), "train: 1 classes and no image in them");
}

}  // namespace
}  // namespace espalier::datasets
