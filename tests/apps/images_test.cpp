#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/io/file.h"
#include "tests/apps/program.h"
#include "tests/support/folder.h"

using namespace espalier;
using test::espalier_command;
using test::Outcome;
namespace fs = std::filesystem;

namespace {

// A PNG would need an encoder: a BMP of one colour, height x width, is a header and its pixels.
void write_bmp(const fs::path& path, uint8_t height, uint8_t width, uint8_t grey) {
  const size_t row = (size_t{3} * width + 3) / 4 * 4;
  const uint8_t header[54] = {'B', 'M', 0, 0,     0, 0, 0, 0,      0, 0, 54, 0, 0, 0, 40,
                              0,   0,   0, width, 0, 0, 0, height, 0, 0, 0,  1, 0, 24};
  std::string bytes(reinterpret_cast<const char*>(header), sizeof header);
  bytes.append(row * height, static_cast<char>(grey));
  fs::create_directories(path.parent_path());
  write_file(path, bytes);
}

}  // namespace

TEST_CASE(
    "a recipe trains on a folder of images of any size, cropped and jittered, and evaluate reads it too") {
  const test::TemporaryFolder folder;
  for (const std::string part : {"train", "val"})
    for (uint8_t i = 0; i < 12; ++i)
      write_bmp(folder / fmt::format("images/{}/{}/{}.bmp", part, i % 2 == 0 ? "dark" : "light", i),
                static_cast<uint8_t>(30 + i), static_cast<uint8_t>(50 - i), i % 2 == 0 ? 40 : 210);
  const std::string recipe = R"(
[data]
name = "FOLDER"
image_size = 28
resize = 30
augment = { random_resized_crop = 0.3, color_jitter = { brightness = 0.2, contrast = 0.2, saturation = 0.2 }, flip = true }
[model]
name = "lenet_300_100"
[[stage]]
type = "train"
epochs = 3
batch_size = 4
learning_rate = 0.01
)";
  const auto run_with = [&](const std::string& change, const std::string& out) {
    std::string text = recipe;
    text.replace(text.find("FOLDER"), 6, (folder / "images").string());
    write_file(folder / "recipe.toml", text);
    return espalier_command(fmt::format("run '{}' --out '{}' {}", (folder / "recipe.toml").string(),
                                        (folder / out).string(), change));
  };
  const Outcome trained = run_with("", "a");
  INFO(trained.text);
  REQUIRE(trained.code == 0);
  CHECK(trained.text.find("12 training images") != std::string::npos);
  const std::string evaluate = fmt::format(
      "evaluate '{}' --data '{}' ", (folder / "a/model.safetensors").string(), (folder / "images").string());
  CHECK(espalier_command(evaluate + "--image-size 28").text.find("accuracy 100.00 %") != std::string::npos);
  CHECK(espalier_command(evaluate).text.find("all must be of one size") != std::string::npos);
  CHECK(run_with("--set data.augment.color_jitter.hue=0.1", "b").text.find("hue") != std::string::npos);
  CHECK(run_with("--set data.augment.random_resized_crop=2", "c").text.find("random_resized_crop") !=
        std::string::npos);
}

TEST_CASE("data pack writes the file that is read instead of the images") {
  const test::TemporaryFolder folder;
  for (const std::string part : {"train", "test"})
    for (const std::string name : {"dark", "light"})
      write_bmp(folder / part / name / "1.bmp", 6, 5, name == "dark" ? 40 : 210);
  write_file(folder / "train/dark/2.bmp", "damaged");
  const Outcome packed = espalier_command("data pack '" + folder.path().string() + "'");
  INFO(packed.text);
  CHECK(packed.code == 0);
  CHECK(packed.text.find("packed.safetensors: 2 training and 2 test images of shape (6, 5, 3), 2 classes") !=
        std::string::npos);
  CHECK(packed.text.find("left out: [image]") != std::string::npos);
  CHECK(fs::exists(folder / "packed.safetensors"));
  const fs::path elsewhere = folder / "elsewhere.safetensors";
  CHECK(espalier_command(fmt::format("data pack '{}' -o '{}'", folder.path().string(), elsewhere.string()))
            .code == 0);
  CHECK(read_file(elsewhere) == read_file(folder / "packed.safetensors"));
  const Outcome missing = espalier_command("data pack /nowhere");
  CHECK(missing.code == 1);
  CHECK(missing.text.find("[images] /nowhere: no folders train/ and test/ (or val/) there") !=
        std::string::npos);
}

TEST_CASE("predict names the likeliest classes of images, by the labels that the model carries") {
  const test::TemporaryFolder folder;
  for (const std::string part : {"train", "val"})
    for (uint8_t i = 0; i < 12; ++i)
      for (const std::string name : {"dark", "light"})
        write_bmp(folder / part / name / fmt::format("{}.bmp", i), 8, 8,
                  static_cast<uint8_t>(name == "dark" ? 30 + i : 220 - i));
  write_file(folder / "recipe.toml", fmt::format(R"(
[data]
name = "{}"
[model]
name = "conv2"
width = 0.1
[[stage]]
type = "train"
epochs = 8
batch_size = 8
learning_rate = 0.02
)",
                                                 folder.path().string()));
  const Outcome trained = espalier_command(
      fmt::format("run '{}' --out '{}'", (folder / "recipe.toml").string(), (folder / "run").string()));
  INFO(trained.text);
  REQUIRE(trained.code == 0);
  write_bmp(folder / "large.bmp", 40, 90, 25);
  const std::string model = (folder / "run/model.safetensors").string();
  const Outcome predicted =
      espalier_command(fmt::format("predict '{}' '{}' '{}' --json --top 1", model,
                                   (folder / "large.bmp").string(), (folder / "val/light/3.bmp").string()));
  INFO(predicted.text);
  REQUIRE(predicted.code == 0);
  const auto document = nlohmann::json::parse(predicted.text);
  REQUIRE(document.size() == 2);
  CHECK(document[0]["classes"][0]["label"] == "dark");
  CHECK(document[1]["classes"][0]["label"] == "light");
  CHECK(document[1]["classes"][0]["probability"].get<double>() > 0.5);
  CHECK(espalier_command(fmt::format("predict '{}' '{}'", model, (folder / "recipe.toml").string())).code ==
        1);
}

TEST_CASE("bench data measures image files and goes without torchvision where there is none") {
  const test::TemporaryFolder folder;
  write_bmp(folder / "ant/1.bmp", 60, 50, 90);
  const Outcome outcome = espalier_command(fmt::format(
      "bench data --images '{}' --repeats 1 --seconds 0.01 --python /nowhere", folder.path().string()));
  INFO(outcome.text);
  CHECK(outcome.code == 0);
  CHECK(outcome.text.find("1 image files") != std::string::npos);
  CHECK(outcome.text.find("not compared: /nowhere cannot be started") != std::string::npos);
}
