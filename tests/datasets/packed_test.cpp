#include "datasets/packed.h"

#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "tests/datasets/image_bytes.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/fuzz.h"

namespace espalier::datasets {
namespace {

namespace fs = std::filesystem;

const DataOptions kPlain{.normalisation = {{0, 0, 0}, {1, 1, 1}}};

// Two classes, ant and bee, of three training images each and one test image, 4 x 6 pixels.
void write_ants_and_bees(const fs::path& root) {
  for (const char* name : {"ant", "bee"}) {
    for (const char* part : {"train", "test"}) fs::create_directories(root / part / name);
    for (int number : {1, 2, 3})
      write_file(root / "train" / name / fmt::format("{}.png", number),
                 test::png_bytes(4, 6, 50 * number + name[0]));
    write_file(root / "test" / name / "1.png", test::png_bytes(4, 6, name[0]));
  }
}

void write_pack(const fs::path& root) {
  write_packed(root / kPackedName, pack(list_image_folders(root), false));
}

std::vector<std::vector<float>> all_images(const Dataset& data) {
  std::vector<std::vector<float>> result(static_cast<size_t>(data.size()), std::vector<float>(4 * 6 * 3));
  for (int64_t i = 0; i < data.size(); ++i) CHECK(data.get(i, result[static_cast<size_t>(i)]) >= 0);
  return result;
}

bool names_pack(const std::vector<std::string>& notes) {
  for (const std::string& note : notes)
    if (note.find("packed.safetensors is not used") != std::string::npos) return true;
  return false;
}

TEST_CASE("packed images are the folder's, with and without the folder beside them") {
  const test::TemporaryFolder folder;
  write_ants_and_bees(folder.path());
  const Split plain = load(folder.path().string(), kPlain);
  write_pack(folder.path());
  const Split both = load(folder.path().string(), kPlain);
  fs::remove_all(folder / "train");
  fs::remove_all(folder / "test");
  const Split alone = load(folder.path().string(), kPlain);
  for (const Split* split : {&both, &alone}) {
    CHECK(split->notes.empty());
    CHECK(split->labels == std::vector<std::string>{"ant", "bee"});
    CHECK(all_images(*split->train) == all_images(*plain.train));
    CHECK(all_images(*split->test) == all_images(*plain.test));
  }
}

TEST_CASE("the packed file is what is read while the names, sizes and times of the images stay the same") {
  const test::TemporaryFolder folder;
  write_ants_and_bees(folder.path());
  const Split before = load(folder.path().string(), kPlain);
  write_pack(folder.path());
  const fs::path changed = folder / "train/bee/2.png";
  const auto written = fs::last_write_time(changed);
  write_file(changed, std::string(fs::file_size(changed), 'x'));  // unreadable
  fs::last_write_time(changed, written);                          // and not looked at
  const Split fits = load(folder.path().string(), kPlain);
  CHECK(all_images(*fits.train) == all_images(*before.train));
  CHECK(fits.notes.empty());
}

TEST_CASE("a packed file of other images is named and not used") {
  const test::TemporaryFolder folder;
  write_ants_and_bees(folder.path());
  write_pack(folder.path());
  SECTION("one more") {
    write_file(folder / "test/ant/2.png", test::png_bytes(4, 6));
  }
  SECTION("one less") {
    fs::remove(folder / "test/ant/1.png");
    write_file(folder / "test/bee/2.png", test::png_bytes(4, 6));
  }
  SECTION("another image of the same size") {
    const fs::path changed = folder / "train/bee/2.png";
    fs::last_write_time(changed, fs::last_write_time(changed) + std::chrono::seconds(1));
  }
  SECTION("another name") {
    fs::rename(folder / "train/ant/1.png", folder / "train/ant/4.png");
  }
  SECTION("another size") {
    std::string longer = read_text(folder / "train/ant/1.png") + "behind the image";
    write_file(folder / "train/ant/1.png", longer);
  }
  const Split stale = load(folder.path().string(), kPlain);
  CHECK(names_pack(stale.notes));
  const auto decoded = pack(list_image_folders(folder.path()), true);
  CHECK(stale.train->size() == static_cast<int64_t>(decoded.train.labels.size()));
  CHECK(stale.test->size() == static_cast<int64_t>(decoded.test.labels.size()));
  write_pack(folder.path());
  CHECK(load(folder.path().string(), kPlain).notes.empty());
}

TEST_CASE("images that were left out of a packed file are still said to be, and are errors in strict mode") {
  const test::TemporaryFolder folder;
  write_ants_and_bees(folder.path());
  write_file(folder / "train/ant/2.png", "damaged");
  write_pack(folder.path());
  DataOptions options = kPlain;
  const Split split = load(folder.path().string(), options);
  CHECK(split.train->size() == 5);
  REQUIRE(split.notes.size() == 2);
  CHECK(split.notes[0].find("ant/2.png") != std::string::npos);
  CHECK(split.notes[1] == "1 of 6 images cannot be read and are left out");
  options.strict = true;
  CHECK_ERROR(load(folder.path().string(), options), "ant/2.png");
}

TEST_CASE("a packed file that is not as described is an error that says why") {
  const test::TemporaryFolder folder;
  write_ants_and_bees(folder.path());
  const fs::path path = folder / kPackedName;
  const auto refuse = [&](auto change, const char* why) {
    write_pack(folder.path());
    TensorFile file = read_safetensors(path);
    change(file);
    write_safetensors(path, file);
    CHECK_ERROR(load(folder.path().string(), kPlain), why);
  };
  refuse([](TensorFile& file) { file.metadata.erase("classes"); }, "no metadata 'classes'");
  refuse([](TensorFile& file) { file.metadata["format"] = "another"; },
         "the format is 'another'; expected 'espalier packed images 1'");
  refuse([](TensorFile& file) { file.tensors.erase("test.labels"); }, "no tensor 'test.labels'");
  refuse([](TensorFile& file) { file.tensors["more"] = Tensor::zeros({1}); },
         "there is also a tensor 'more'");
  refuse([](TensorFile& file) { file.metadata["classes"] = "ant"; }, "label 1 among train; expected 0 to 0");
  refuse([](TensorFile& file) { file.tensors["train.labels"] = Tensor::zeros({6}); },
         "'train.labels' is float32 of shape (6); expected int32 of rank 1");
  refuse([](TensorFile& file) { file.tensors["train.labels"] = Tensor::zeros({5}, DType::int32); },
         "train images of shape (6, 4, 6, 3) and 5 labels");
  refuse(
      [](TensorFile& file) {
        file.tensors["test.images"] = Tensor::zeros({2, 6, 4, 3}, DType::uint8);
      },
      "training images of shape (4, 6, 3) and test images of shape (6, 4, 3)");
  write_file(path, "no safetensors");
  CHECK_ERROR(load(folder.path().string(), kPlain), "packed.safetensors: [safetensors]");
}

TEST_CASE("a damaged packed file is read or is an Error, in bounded memory", "[fuzz]") {
  const test::TemporaryFolder folder;
  write_ants_and_bees(folder.path());
  write_pack(folder.path());
  const std::vector<std::byte> bytes = read_file(folder / kPackedName);
  test::fuzz(bytes, 16, [](auto damaged) {
    PackedImages read = decode_packed(damaged, "fuzz");
    for (MemoryImages* part : {&read.train, &read.test}) {
      part->normalisation = kPlain.normalisation;
      const MemoryDataset data(std::move(*part), "fuzz");
      std::vector<float> image(static_cast<size_t>(data.image_shape().numel()));
      for (int64_t i = 0; i < data.size(); ++i) data.get(i, image);
    }
  });
}

}  // namespace
}  // namespace espalier::datasets
