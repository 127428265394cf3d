#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "core/ops.h"
#include "core/optim/optimizer.h"
#include "interchange/mapping.h"
#include "layers/models.h"
#include "tests/interchange/golden_network.h"
#include "tests/support/catch.h"

namespace espalier::test {
namespace {

using layers::Network;

constexpr int32_t kBatch = 16;

// The model without the randomness of dropout.
Network deterministic_model(const std::string& name, int64_t side) {
  auto description =
      nlohmann::json::parse(layers::make_model(name, {.image = {side, side, 3}}).description());
  for (auto& layer : description.at("layers"))
    if (layer.at("type") == "dropout") layer["attributes"]["probability"] = 0.0;
  return Network::from_description(description.dump(), name);
}

// The weights that make_training_step.py begins with, under PyTorch's names and in its layouts.
interchange::Checkpoint initial_checkpoint(Network& network) {
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  interchange::Checkpoint checkpoint{interchange::torch_state(network), {}};
  uint64_t stream = 100;
  for (auto& [name, tensor] : checkpoint.tensors) {
    const Shape& shape = tensor.shape();
    if (name.ends_with("running_mean") || name.ends_with("running_var")) continue;
    if (shape.rank() > 1) {
      const auto bound = static_cast<float>((shape.rank() == 2 ? 0.1 : 1) *
                                            std::sqrt(6 / static_cast<double>(shape.numel() / shape[0])));
      tensor = golden_tensor(shape, stream++, -bound, bound);
    } else if (name.ends_with("weight")) {
      tensor = golden_tensor(shape, stream++, 0.25f, 0.75f);
    } else {
      tensor = golden_tensor(shape, stream++, -0.5f, 0.5f);
    }
  }
  return checkpoint;
}

Tensor channels_last(const Tensor& images) {
  const std::vector<float> from = images.to_vector<float>();
  const int64_t count = images.shape()[0], channels = images.shape()[1],
                pixels = images.shape()[2] * images.shape()[3];
  std::vector<float> to(from.size());
  for (int64_t n = 0; n < count; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < pixels; ++p)
        to[static_cast<size_t>((n * pixels + p) * channels + c)] =
            from[static_cast<size_t>((n * channels + c) * pixels + p)];
  return Tensor::from(to, {count, images.shape()[2], images.shape()[3], channels});
}

// How far our values are from the golden file's, which samples them evenly.
struct Difference {
  double largest = 0;  // as a share of the largest golden element
  double norm = 0;     // ℓ2, as a share of the golden elements'
};
Difference difference(const Tensor& golden, const std::function<double(size_t)>& ours, size_t size) {
  const std::vector<float> theirs = golden.to_vector<float>();
  double worst = 0, largest = 1e-30, squares = 0, all = 1e-30;
  for (size_t k = 0; k < theirs.size(); ++k) {
    const double off = std::abs(ours(k * size / theirs.size()) - theirs[k]);
    worst = std::max(worst, off);
    largest = std::max(largest, static_cast<double>(std::abs(theirs[k])));
    squares += off * off;
    all += static_cast<double>(theirs[k]) * theirs[k];
  }
  return {worst / largest, std::sqrt(squares / all)};
}

TEST_CASE("one step of SGD on imported weights leaves every parameter where PyTorch leaves it") {
  const char* variable = std::getenv("ESPALIER_TRAINING_STEP");  // see make_training_step.py
  const std::filesystem::path folder = variable != nullptr ? variable : ESPALIER_SOURCE_DIR "/tests/golden";
  for (const auto& [name, side] : {std::pair{"resnet20", 32},
                                   {"vgg16", 32},
                                   {"densenet40", 32},
                                   {"mobilenet_v2", 64},
                                   {"resnet50", 64}}) {
    const interchange::Checkpoint golden =
        interchange::read_checkpoint(folder / fmt::format("training-step-{}.npz", name));
    Network network = deterministic_model(name, side);
    const interchange::Checkpoint before = initial_checkpoint(network);
    interchange::fill_network(before, network, name);

    const Variable images(channels_last(golden_tensor({kBatch, 3, side, side}, 1, -2, 2)));
    std::vector<int32_t> labels;
    for (int32_t i = 0; i < kBatch; ++i) labels.push_back(i * 7 % 10);
    std::vector<Parameter> parameters;
    for (const Parameter* parameter : network.parameters()) parameters.push_back(*parameter);
    const auto optimizer =
        make_optimizer({.momentum = 0.9, .weight_decay = 1e-2, .decay_biases_and_norms = true}, parameters);
    Variable loss =
        ops::cross_entropy(network.forward(images, {.training = true}), Tensor::from(labels, {kBatch})).loss;
    INFO(name);
    CHECK(loss.value().item() == Approx(golden.tensors.at("loss").item()).epsilon(1e-4));
    loss.backward();
    optimizer->step(0.005);

    const auto after = interchange::torch_state(network);
    size_t compared = 0;
    double worst_after = 0, worst_change = 0;
    for (const auto& [key, theirs] : golden.tensors) {
      if (!key.starts_with("after/")) continue;
      const std::string parameter = key.substr(6);
      const auto now = after.at(parameter).to_vector<float>();
      const auto then = before.tensors.at(parameter).to_vector<float>();
      const auto value = [&](size_t i) { return static_cast<double>(now[i]); };
      const auto change = [&](size_t i) { return static_cast<double>(now[i]) - then[i]; };
      INFO(parameter);
      const double off = difference(theirs, value, now.size()).largest;
      const double change_off = difference(golden.tensors.at("change/" + parameter), change, now.size()).norm;
      // Rounding, Winograd's transforms included, through up to 161 parameters' layers and their ReLUs.
      CHECK(off < 2e-4);
      // Of the many million inputs of ReLU a few are so near zero that float32 and float64 differ on their
      // sign, and with it on the gradient behind; PyTorch's own float32 is as far off.
      CHECK(change_off < 0.05);
      worst_after = std::max(worst_after, off);
      worst_change = std::max(worst_change, change_off);
      ++compared;
    }
    CHECK(compared == parameters.size());
    std::printf("%s: %zu parameters within %.1e of PyTorch's, their changes within %.1e\n", name, compared,
                worst_after, worst_change);
  }
}

}  // namespace
}  // namespace espalier::test
