#include "apps/predict.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/console.h"
#include "apps/import.h"
#include "apps/load.h"
#include "apps/text_table.h"
#include "core/ops.h"
#include "datasets/image.h"
#include "datasets/resample.h"

namespace espalier::apps {
namespace {

struct PredictOptions {
  std::string model;
  std::vector<std::string> images;
  Normalisation normalisation;
  int top = 5;
  bool as_json = false;
};

// The image as the network takes it: as it is where it has the size, otherwise resized and cut as an
// evaluation on ImageNet does; grey (ITU-R 601) for a network of one channel.
Variable prepare(const std::string& file, const Shape& target, const Normalisation& normalisation) {
  const datasets::Image image = datasets::read_image(file);
  const int64_t height = target[0], width = target[1], channels = target[2];
  const Shape shape{image.height, image.width, 3};
  const int64_t least = std::min(image.height, image.width);
  const bool fits = image.height == height && image.width == width;
  const double scale = std::max(static_cast<double>(height) / static_cast<double>(image.height),
                                static_cast<double>(width) / static_cast<double>(image.width));
  const int64_t shorter = fits ? least : std::llround(scale * static_cast<double>(least) * 256 / 224);
  std::vector<float> colours(static_cast<size_t>(height * width * 3));
  datasets::resample(std::span<const uint8_t>(image.pixels), shape,
                     datasets::centre_view(shape, shorter, height, width), colours);
  Tensor result({1, height, width, channels}, DType::float32);
  const std::span<float> to = result.host<float>();
  for (size_t i = 0; i < to.size(); ++i) {
    const size_t channel = i % static_cast<size_t>(channels);
    const float* pixel = &colours[i / static_cast<size_t>(channels) * 3];
    const double value =
        channels == 1 ? 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2] : pixel[channel];
    to[i] = static_cast<float>((value / 255 - normalisation.mean[channel]) /
                               normalisation.standard_deviation[channel]);
  }
  return Variable(result);
}

void predict(const PredictOptions& options) {
  const NoGradient no_gradient;
  LoadedModel loaded = load(options.model, Device::cpu);
  layers::Network& network = loaded.model.network;
  const Shape& image = network.image();
  check(image[2] == 1 || image[2] == 3, "[predict] '{}' takes images of {} channels; expected 1 or 3",
        options.model, image[2]);
  datasets::DataOptions data{.normalisation = options.normalisation};
  prefer_normalisation_of(network, data);
  if (!data.normalisation.mean.empty() || !data.normalisation.standard_deviation.empty())
    network.set_normalisation(data.normalisation);  // checks it
  check(network.normalisation().has_value(),
        "[predict] '{}' does not say how its images were normalised; expected --mean and --std",
        options.model);

  TextTable table({"image", "class", "probability"});
  nlohmann::json document = nlohmann::json::array();
  size_t unreadable = 0;
  for (const std::string& file : options.images) {
    Variable x;
    try {
      x = prepare(file, image, *network.normalisation());
    } catch (const Error& error) {
      fmt::print(stderr, "{}\n", error.what());
      ++unreadable;
      continue;
    }
    const auto probabilities = ops::softmax(network.forward(x, {})).value().to_vector<float>();
    std::vector<size_t> order(probabilities.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return probabilities[i]; });
    order.resize(std::min(order.size(), static_cast<size_t>(options.top)));
    nlohmann::json classes = nlohmann::json::array();
    for (const size_t i : order) {
      const std::string label = network.labels().empty() ? std::to_string(i) : network.labels()[i];
      table.add({i == order.front() ? file : "", label, percent(probabilities[i])});
      classes.push_back({{"class", i}, {"label", label}, {"probability", probabilities[i]}});
    }
    document.push_back({{"image", file}, {"classes", classes}});
  }
  print(options.as_json ? document.dump(1) + "\n" : table.text());
  check(unreadable == 0, "[predict] {} of {} images cannot be read", unreadable, options.images.size());
}

}  // namespace

void add_predict(CLI::App& program) {
  auto* app = program.add_subcommand("predict", "Name the likeliest classes of images");
  app->footer("Example:\n  espalier predict resnet20.safetensors cat.jpg dog.png --top 3");
  auto options = std::make_shared<PredictOptions>();
  app->add_option("model", options->model, "a .safetensors or .esp file")->required();
  app->add_option("images", options->images,
                  "JPEG, PNG or BMP files; of another size than the model's: resized, and the middle kept")
      ->required();
  app->add_option("--top", options->top, "how many classes to name")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  add_normalisation(*app, options->normalisation);
  app->add_flag("--json", options->as_json, "print JSON");
  app->callback([options] { predict(*options); });
}

}  // namespace espalier::apps
