#include "layers/models.h"

#include <cmath>
#include <set>

#include "core/ops.h"
#include "layers/models/resnet_cifar.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Network;

const layers::ModelOptions kCifar{.image = {32, 32, 3}};
const layers::ModelOptions kImageNet{.image = {224, 224, 3}, .classes = 1000};

TEST_CASE("the zoo's networks have the published numbers of parameters and multiply-accumulates") {
  // Batch norm's affine pair counts, running statistics do not. FLOPs: one for each multiply-accumulate of
  // convolutions and linear layers.
  struct Row {
    const char* name;
    const layers::ModelOptions& options;
    int64_t parameters;
    double megaflops;
  };
  for (const Row& row : {
           // He et al. 2016; pytorch_resnet_cifar10; the pruning papers' 40.6 M, 125 M and 253 M.
           Row{"resnet20", kCifar, 269'722, 40.6},
           {"resnet32", kCifar, 464'154, 68.9},
           {"resnet44", kCifar, 658'586, 97.2},
           {"resnet56", kCifar, 853'018, 125.5},
           {"resnet110", kCifar, 1'727'962, 252.9},
           // Frankle & Carbin 2019, figure 2: 4.3 M and 2.4 M weights; for Conv-6 it prints 1.7 M, of
           // which 1.1 M
           // in convolutions, but 4 x 4 x 256 inputs of 256 units alone are 1.05 M more.
           {"conv2", kCifar, 4'301'642, 43.8},
           {"conv4", kCifar, 2'425'930, 98.3},
           {"conv6", kCifar, 2'262'602, 153.9},
           // Liu et al. 2017: VGG-19 20.04 M and 3.98e8, ResNet-164 1.70 M and 2.5e8, DenseNet-40 1.02 M.
           {"vgg16", kCifar, 14'724'042, 313.2},
           {"vgg19", kCifar, 20'035'018, 398.1},
           {"preresnet164", kCifar, 1'703'258, 247.6},
           {"densenet40", kCifar, 1'059'298, 282.9},
           // torchvision's documentation: parameters to the last digit, GFLOPS
           // 0.71, 15.47, 19.63, 1.81, 3.66,
           // 4.09, 7.80, 0.3.
           {"alexnet", kImageNet, 61'100'840, 714.2},
           {"vgg11_imagenet", kImageNet, 132'868'840, 7609.0},
           {"vgg16_imagenet", kImageNet, 138'365'992, 15470.3},
           {"vgg19_imagenet", kImageNet, 143'678'248, 19632.1},
           {"resnet18", kImageNet, 11'689'512, 1814.1},
           {"resnet34", kImageNet, 21'797'672, 3663.8},
           {"resnet50", kImageNet, 25'557'032, 4089.2},
           {"resnet101", kImageNet, 44'549'160, 7801.4},
           {"mobilenet_v2", kImageNet, 3'504'872, 300.8},
           // Howard et al. 2017: 4.2 M and 569 M.
           {"mobilenet_v1", kImageNet, 4'231'976, 568.7},
           {"resnet18_cifar", kCifar, 11'173'962, 555.4},
       }) {
    INFO(row.name);
    const Network network = layers::make_model(row.name, row.options);
    CHECK(network.parameter_count() == row.parameters);
    CHECK(static_cast<double>(network.flops()) / 1e6 == Approx(row.megaflops).margin(0.06));
  }
}

TEST_CASE("option B adds a projection where a CIFAR ResNet changes its shape") {
  for (const char* name : {"resnet20", "resnet32", "resnet44", "resnet56", "resnet110"}) {
    const int64_t padded = layers::make_model(name, kCifar).parameter_count();
    const int64_t projected = layers::make_model(std::string(name) + "_b", kCifar).parameter_count();
    CHECK(projected == padded + 16 * 32 + 32 * 64 + 2 * (32 + 64));
  }
}

TEST_CASE("a width multiplies the channels of every model") {
  for (const layers::ModelRow& row : layers::models()) {
    INFO(row.name);
    layers::ModelOptions half = kImageNet;
    half.width = 0.5;
    const Network narrow = row.make(half), full = row.make(kImageNet);
    CHECK(narrow.parameter_count() < 0.75 * static_cast<double>(full.parameter_count()));
    CHECK(narrow.nodes().size() == full.nodes().size());
    CHECK(narrow.classes() == 1000);
  }
  // Sandler et al. 2018, table 4, and MetaPruning's MobileNet-v1 at 149 M.
  const auto wide = [](const char* name, double width) {
    return layers::make_model(name, {.image = {224, 224, 3}, .classes = 1000, .width = width});
  };
  CHECK(wide("mobilenet_v2", 1.4).parameter_count() == 6'108'776);
  CHECK(static_cast<double>(wide("mobilenet_v1", 0.5).flops()) / 1e6 == Approx(149).margin(1));
  CHECK_ERROR(wide("vgg16", 0), "[model] width = 0; expected > 0");
}

TEST_CASE("every model's description builds the same model again") {
  for (const layers::ModelRow& row : layers::models()) {
    INFO(row.name);
    const Network network = row.make({.image = {64, 64, 3}});
    CHECK(network.name() == row.name);
    CHECK(network.classes() == 10);
    const Network again = Network::from_description(network.description(), "test");
    CHECK(again.description() == network.description());
    CHECK(again.parameter_count() == network.parameter_count());
    CHECK(again.flops() == network.flops());
  }
}

// The outputs, with batch statistics or running ones, the loss's gradients, and the statistics left behind.
std::map<std::string, Tensor> computed(Network& network, bool fuse) {
  const Shape& image = network.image();
  const Variable images(random_tensor({3, image[0], image[1], image[2]}, 2, DType::float32, Device::cpu));
  for (Parameter* parameter : network.parameters()) parameter->variable.clear_gradient();
  std::map<std::string, Tensor> result;
  Variable logits = network.forward(images, {.training = true, .fuse = fuse});
  result["trained"] = logits.value();
  ops::cross_entropy(logits, random_integers({3}, 3, 0, network.classes(), Device::cpu)).loss.backward();
  for (Parameter* parameter : network.parameters())
    result["gradient of " + parameter->name] = parameter->variable.gradient();
  const NoGradient no_gradient;
  result["evaluated"] = network.forward(images, {.fuse = fuse}).value();
  for (const auto& [name, tensor] : network.state()) result[name] = tensor;
  return result;
}

TEST_CASE("a network computes the same whether its layers are fused or not") {
  // In deep networks rounding turns a ReLU over now and then, and the gradients of three images by that:
  // together they are close, their elements need not be.
  const std::set<std::string> turning = {"preresnet164", "mobilenet_v1", "mobilenet_v2"};
  for (const std::string name : {"vgg11", "resnet20", "resnet20_b", "preresnet164", "densenet40",
                                 "mobilenet_v1", "mobilenet_v2", "lenet5", "conv2"}) {
    INFO(name);
    Network fused = layers::make_model(name, {.image = {32, 32, 3}, .classes = 5, .width = 0.25});
    Network plain = Network::from_description(fused.description(), "test");
    for (Network* network : {&fused, &plain}) {
      network->initialise(layers::Initialiser{}, 1, Device::cpu);
      // With the shifts that batch norms begin with, some means are nothing but rounding.
      for (Parameter* parameter : network->parameters())
        if (parameter->shape.rank() == 1)
          parameter->variable =
              Variable(random_tensor(parameter->shape, 4, DType::float32, Device::cpu, 0.5, 0.3), true);
    }
    const auto expected = computed(plain, false);
    double difference = 0, size = 0;
    for (const auto& [what, tensor] : computed(fused, true)) {
      INFO(what);
      if (!turning.contains(name) || !what.starts_with("gradient of ")) {
        check_close(tensor, expected.at(what), 2e-3);
        continue;
      }
      const std::vector<float> got = tensor.to_vector<float>(), due = expected.at(what).to_vector<float>();
      for (size_t i = 0; i < due.size(); ++i) {
        difference += std::pow(got[i] - due[i], 2);
        size += std::pow(due[i], 2);
      }
    }
    CHECK(difference <= 0.05 * 0.05 * size);
  }
}

// The loss before and after one step of plain SGD along the gradient, on one batch in training mode.
std::pair<double, double> losses_around_a_step(Network& network, int64_t batch, float rate) {
  network.initialise(layers::Initialiser{}, 1, Device::cpu);
  const Shape& image = network.image();
  const Variable images(random_tensor({batch, image[0], image[1], image[2]}, 2, DType::float32, Device::cpu));
  const Tensor labels = random_integers({batch}, 3, 0, network.classes(), Device::cpu);
  const auto loss = [&] {
    const Variable logits = network.forward(images, {.training = true});
    CHECK(logits.shape() == Shape{batch, network.classes()});
    return ops::cross_entropy(logits, labels).loss;
  };
  Variable before = loss();
  before.backward();
  for (Parameter* parameter : network.parameters()) {
    const std::vector<float> gradient = parameter->variable.gradient().to_vector<float>();
    std::vector<float> values = parameter->variable.value().to_vector<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] -= rate * gradient[i];
    parameter->variable = Variable(Tensor::from(values, parameter->shape), true);
  }
  return {before.value().item(), loss().value().item()};
}

TEST_CASE("one step along the gradient lowers the loss") {
  const layers::CifarResNetWidths narrow{.stem = 4, .stages = {4, 6, 8}, .inner = {3, 5, 7}};
  for (const layers::Shortcut shortcut : {layers::Shortcut::pad, layers::Shortcut::project}) {
    Network network = layers::resnet_cifar("narrow", 8, shortcut, narrow, {.image = {8, 8, 3}, .classes = 4});
    const auto [before, after] = losses_around_a_step(network, 6, 0.02f);
    CHECK(after < before);
  }
}

TEST_CASE("a CIFAR ResNet names its layers as PyTorch's checkpoints do") {
  Network network = layers::make_model("resnet20_b", kCifar);
  for (const char* name : {"conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer2.0.shortcut.0.weight",
                           "layer2.0.shortcut.1.weight", "layer3.2.bn2.weight", "linear.bias"})
    CHECK_NOTHROW(network.parameter(name));
}

TEST_CASE("a model tells which widths or depth it cannot be built from") {
  const auto resnet = [](int depth, const layers::CifarResNetWidths& widths) {
    return layers::resnet_cifar("r", depth, layers::Shortcut::pad, widths, kCifar);
  };
  CHECK_ERROR(resnet(21, {}), "depth 21; expected 6 n + 2");
  CHECK_ERROR(resnet(8, {.stages = {16, 8, 8}}), "narrows 16 channels to 8");
  CHECK_ERROR(resnet(8, {.inner = {4}}),
              "1 inner widths for a CIFAR ResNet of depth 8; expected none or one for each of its 3 blocks");
}

}  // namespace
}  // namespace espalier::test
