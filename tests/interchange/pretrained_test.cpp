#include <cstdlib>
#include <filesystem>

#include "datasets/dataset.h"
#include "interchange/mapping.h"
#include "layers/models.h"
#include "tests/interchange/golden_network.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;

// $ESPALIER_DATA/<name>, or nothing where that is not there.
std::optional<fs::path> data_folder(const std::string& name) {
  const char* variable = std::getenv("ESPALIER_DATA");
  if (variable == nullptr || !fs::is_directory(fs::path(variable) / name)) return {};
  return fs::path(variable) / name;
}

layers::Network pretrained(const fs::path& folder, const std::string& file) {
  auto network = layers::make_model(file.substr(0, file.find('-')), {.image = {32, 32, 3}});
  const fs::path path = folder / (file + ".th");
  interchange::fill_network(interchange::read_checkpoint(path), network, path.string());
  return network;
}

void check_logits(layers::Network& network, const Tensor& images, const std::string& key) {
  const NoGradient no_gradient;
  const auto golden = interchange::read_checkpoint(golden_path("pretrained-logits.npz"));
  check_close(network.forward(Variable(images), {}).value(), golden.tensors.at(key), 1e-4);
}

const std::vector<std::string> kFiles = {"resnet20-12fca82f", "resnet56-4bfd9763"};

TEST_CASE("imported CIFAR ResNets give PyTorch's logits") {
  const auto folder = data_folder("pretrained");
  if (!folder) SKIP_TEST("set ESPALIER_DATA to a folder that holds pretrained/");
  const std::vector<float> noise = golden_tensor({64, 3, 32, 32}, 1, -2, 2).to_vector<float>();
  std::vector<float> images(noise.size());
  for (size_t n = 0; n < 64; ++n)
    for (size_t i = 0; i < 3072; ++i) images[n * 3072 + i % 1024 * 3 + i / 1024] = noise[n * 3072 + i];
  for (const std::string& file : kFiles) {
    INFO(file);
    auto network = pretrained(*folder, file);
    check_logits(network, Tensor::from(images, {64, 32, 32, 3}), file + "/noise");
  }
}

TEST_CASE("imported CIFAR ResNets give PyTorch's logits on test images") {
  const auto folder = data_folder("pretrained"), cifar = data_folder("cifar10-jpeg/test");
  if (!folder || !cifar)
    SKIP_TEST("set ESPALIER_DATA to a folder that holds pretrained/ and cifar10-jpeg/test/");
  // The first class has more than 64 images; a folder of it alone is quickly read.
  const TemporaryFolder few;
  for (const char* part : {"train", "test"}) {
    fs::create_directories(few / part);
    fs::create_directory_symlink(*cifar / "airplane", few / part / "airplane");
  }
  const datasets::Split split =
      datasets::load(few.path().string(), {.normalisation = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}});
  Tensor images({64, 32, 32, 3}, DType::float32);
  for (int64_t i = 0; i < 64; ++i)
    split.test->get(i, images.host<float>().subspan(static_cast<size_t>(i) * 3072, 3072));
  for (const std::string& file : kFiles) {
    INFO(file);
    auto network = pretrained(*folder, file);
    check_logits(network, images, file + "/test");
  }
}

}  // namespace
}  // namespace espalier::test
