#include "layers/models/alexnet.h"

namespace espalier::layers {

AlexNetWidths alexnet_widths(double width) {
  AlexNetWidths widths;
  for (int& channels : widths.convolutions) channels = scaled(channels, width);
  for (int& features : widths.linear) features = scaled(features, width);
  return widths;
}

Network alexnet(const AlexNetWidths& widths, const ModelOptions& options) {
  const auto& channels = widths.convolutions;
  Network network("alexnet", options.image);
  network.add("conv2d", "features.0",
              {{"channels", channels[0]}, {"kernel", 11}, {"stride", 4}, {"padding", 2}});
  network.add("relu", "features.1");
  network.add("max_pool2d", "features.2", {{"kernel", 3}, {"stride", 2}});
  add_conv(network, "features.3", {.channels = channels[1], .kernel = 5, .bias = true});
  network.add("relu", "features.4");
  network.add("max_pool2d", "features.5", {{"kernel", 3}, {"stride", 2}});
  for (size_t i = 2; i < channels.size(); ++i) {
    const int index = static_cast<int>(2 * i) + 2;
    add_conv(network, numbered("features", index), {.channels = channels[i], .bias = true});
    network.add("relu", numbered("features", index + 1));
  }
  network.add("max_pool2d", "features.12", {{"kernel", 3}, {"stride", 2}});
  network.add("flatten", "flatten");
  network.add("dropout", "classifier.0", {{"probability", 0.5}});
  network.add("linear", "classifier.1", {{"features", widths.linear[0]}});
  network.add("relu", "classifier.2");
  network.add("dropout", "classifier.3", {{"probability", 0.5}});
  network.add("linear", "classifier.4", {{"features", widths.linear[1]}});
  network.add("relu", "classifier.5");
  network.add("linear", "classifier.6", {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
