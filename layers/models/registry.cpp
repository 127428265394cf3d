#include "core/named_rows.h"
#include "layers/models.h"
#include "layers/models/alexnet.h"
#include "layers/models/conv_2_4_6.h"
#include "layers/models/densenet.h"
#include "layers/models/lenet.h"
#include "layers/models/mobilenet.h"
#include "layers/models/preresnet.h"
#include "layers/models/resnet.h"
#include "layers/models/resnet_cifar.h"
#include "layers/models/vgg.h"

namespace espalier::layers {

namespace {

template <int depth>
Network conv(const ModelOptions& options) {
  return conv_2_4_6(fmt::format("conv{}", depth), conv_widths(depth, options.width), options);
}
template <int depth>
Network cifar_vgg(const ModelOptions& options) {
  return vgg(fmt::format("vgg{}", depth), vgg_widths(depth, VggHead::cifar, options.width), VggHead::cifar,
             options);
}
template <int depth>
Network imagenet_vgg(const ModelOptions& options) {
  return vgg(fmt::format("vgg{}_imagenet", depth), vgg_widths(depth, VggHead::imagenet, options.width),
             VggHead::imagenet, options);
}
template <int depth>
Network resnet_a(const ModelOptions& options) {
  return resnet_cifar(fmt::format("resnet{}", depth), depth, Shortcut::pad,
                      cifar_resnet_widths(options.width), options);
}
template <int depth>
Network resnet_b(const ModelOptions& options) {
  return resnet_cifar(fmt::format("resnet{}_b", depth), depth, Shortcut::project,
                      cifar_resnet_widths(options.width), options);
}
template <int depth>
Network imagenet_resnet(const ModelOptions& options) {
  return resnet(fmt::format("resnet{}", depth), depth, ResNetStem::imagenet,
                resnet_widths(depth, options.width), options);
}
template <int depth>
Network resnet_cifar_stem(const ModelOptions& options) {
  return resnet(fmt::format("resnet{}_cifar", depth), depth, ResNetStem::cifar,
                resnet_widths(depth, options.width), options);
}

}  // namespace

std::span<const ModelRow> models() {
  static constexpr ModelRow kModels[] = {
      {"lenet_300_100", "LeNet-300-100: fully connected 300-100 (LeCun et al. 1998)", lenet_300_100},
      {"lenet5", "LeNet-5 as in Caffe: 20 and 50 filters of 5x5, fully connected 500", lenet5},
      {"conv2", "Conv-2 of the lottery tickets: 2 convolutions, fully connected 256-256", conv<2>},
      {"conv4", "Conv-4 of the lottery tickets: 4 convolutions, fully connected 256-256", conv<4>},
      {"conv6", "Conv-6 of the lottery tickets: 6 convolutions, fully connected 256-256", conv<6>},
      {"alexnet", "AlexNet in one column, as in torchvision (Krizhevsky 2014)",
       [](const ModelOptions& options) { return alexnet(alexnet_widths(options.width), options); }},
      {"vgg11", "VGG-11 with batch norm, CIFAR head: one linear layer", cifar_vgg<11>},
      {"vgg13", "VGG-13 with batch norm, CIFAR head: one linear layer", cifar_vgg<13>},
      {"vgg16", "VGG-16 with batch norm, CIFAR head: one linear layer", cifar_vgg<16>},
      {"vgg19", "VGG-19 with batch norm, CIFAR head: one linear layer", cifar_vgg<19>},
      {"vgg11_imagenet", "VGG-11 with batch norm, ImageNet head: fully connected 4096-4096",
       imagenet_vgg<11>},
      {"vgg13_imagenet", "VGG-13 with batch norm, ImageNet head: fully connected 4096-4096",
       imagenet_vgg<13>},
      {"vgg16_imagenet", "VGG-16 with batch norm, ImageNet head: fully connected 4096-4096",
       imagenet_vgg<16>},
      {"vgg19_imagenet", "VGG-19 with batch norm, ImageNet head: fully connected 4096-4096",
       imagenet_vgg<19>},
      {"resnet20", "CIFAR ResNet-20, padded shortcuts (option A)", resnet_a<20>},
      {"resnet32", "CIFAR ResNet-32, padded shortcuts (option A)", resnet_a<32>},
      {"resnet44", "CIFAR ResNet-44, padded shortcuts (option A)", resnet_a<44>},
      {"resnet56", "CIFAR ResNet-56, padded shortcuts (option A)", resnet_a<56>},
      {"resnet110", "CIFAR ResNet-110, padded shortcuts (option A)", resnet_a<110>},
      {"resnet20_b", "CIFAR ResNet-20, projected shortcuts (option B)", resnet_b<20>},
      {"resnet32_b", "CIFAR ResNet-32, projected shortcuts (option B)", resnet_b<32>},
      {"resnet44_b", "CIFAR ResNet-44, projected shortcuts (option B)", resnet_b<44>},
      {"resnet56_b", "CIFAR ResNet-56, projected shortcuts (option B)", resnet_b<56>},
      {"resnet110_b", "CIFAR ResNet-110, projected shortcuts (option B)", resnet_b<110>},
      {"preresnet164", "CIFAR pre-activation ResNet-164 of bottlenecks, with channel selection",
       [](const ModelOptions& options) {
         return preresnet("preresnet164", 164, preresnet_widths(164, options.width), options);
       }},
      {"densenet40", "CIFAR DenseNet-40, growth 12, with channel selection",
       [](const ModelOptions& options) {
         return densenet("densenet40", densenet_widths(40, 12, options.width), options);
       }},
      {"resnet18", "ResNet-18, ImageNet stem", imagenet_resnet<18>},
      {"resnet34", "ResNet-34, ImageNet stem", imagenet_resnet<34>},
      {"resnet50", "ResNet-50, ImageNet stem", imagenet_resnet<50>},
      {"resnet101", "ResNet-101, ImageNet stem", imagenet_resnet<101>},
      {"resnet18_cifar", "ResNet-18, CIFAR stem: a 3x3 convolution, no pooling", resnet_cifar_stem<18>},
      {"resnet34_cifar", "ResNet-34, CIFAR stem: a 3x3 convolution, no pooling", resnet_cifar_stem<34>},
      {"resnet50_cifar", "ResNet-50, CIFAR stem: a 3x3 convolution, no pooling", resnet_cifar_stem<50>},
      {"resnet101_cifar", "ResNet-101, CIFAR stem: a 3x3 convolution, no pooling", resnet_cifar_stem<101>},
      {"mobilenet_v1", "MobileNet: depthwise separable convolutions (Howard et al. 2017)",
       [](const ModelOptions& options) { return mobilenet_v1(mobilenet_v1_widths(options.width), options); }},
      {"mobilenet_v2", "MobileNetV2: inverted residuals (Sandler et al. 2018)",
       [](const ModelOptions& options) { return mobilenet_v2(mobilenet_v2_widths(options.width), options); }},
  };
  return kModels;
}

Network make_model(std::string_view name, const ModelOptions& options) {
  check(options.width > 0 && options.width <= 64, "[model] width = {}; expected > 0, at most 64",
        options.width);
  return find_row(models(), name, "[model] unknown name", "models").make(options);
}

}  // namespace espalier::layers
