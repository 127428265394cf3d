#include "layers/models/vgg.h"

#include "core/error.h"

namespace espalier::layers {

VggWidths vgg_widths(int depth, VggHead head, double width) {
  const std::vector<int> convolutions = depth == 11   ? std::vector{1, 1, 2, 2, 2}
                                        : depth == 13 ? std::vector{2, 2, 2, 2, 2}
                                        : depth == 16 ? std::vector{2, 2, 3, 3, 3}
                                        : depth == 19 ? std::vector{2, 2, 4, 4, 4}
                                                      : std::vector<int>{};
  check(!convolutions.empty(), "[model] a VGG of depth {}; expected 11, 13, 16 or 19", depth);
  constexpr int kChannels[] = {64, 128, 256, 512, 512};
  VggWidths widths;
  for (size_t stage = 0; stage < convolutions.size(); ++stage) {
    widths.features.insert(widths.features.end(), static_cast<size_t>(convolutions[stage]),
                           scaled(kChannels[stage], width));
    // The mean at the end of the CIFAR head takes the place of the last pooling.
    if (head == VggHead::imagenet || stage + 1 < convolutions.size()) widths.features.push_back(0);
  }
  if (head == VggHead::imagenet) widths.linear = {scaled(4096, width), scaled(4096, width)};
  return widths;
}

Network vgg(const std::string& name, const VggWidths& widths, VggHead head, const ModelOptions& options) {
  Network network(name, options.image);
  int index = 0;
  for (const int channels : widths.features) {
    if (channels == 0) {
      network.add("max_pool2d", numbered("features", index++), {{"kernel", 2}});
      continue;
    }
    add_conv(network, numbered("features", index++),
             {.channels = channels, .bias = head == VggHead::imagenet});
    network.add("batch_norm", numbered("features", index++));
    network.add("relu", numbered("features", index++));
  }
  if (head == VggHead::cifar) {
    check(widths.linear.empty(), "[model] '{}' has {} hidden linear layers; the CIFAR head has none", name,
          widths.linear.size());
    network.add("global_average_pool2d", "pool");
    network.add("linear", "classifier", {{"features", options.classes}});
    return network;
  }
  network.add("flatten", "flatten");
  index = 0;
  for (const int features : widths.linear) {
    network.add("linear", numbered("classifier", index++), {{"features", features}});
    network.add("relu", numbered("classifier", index++));
    network.add("dropout", numbered("classifier", index++), {{"probability", 0.5}});
  }
  network.add("linear", numbered("classifier", index), {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
