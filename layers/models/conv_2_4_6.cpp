#include "layers/models/conv_2_4_6.h"

#include "core/error.h"

namespace espalier::layers {

ConvWidths conv_widths(int depth, double width) {
  ConvWidths widths;
  for (int i = 0; i < depth; ++i) widths.convolutions.push_back(scaled(64 << (i / 2), width));
  for (int& features : widths.linear) features = scaled(features, width);
  return widths;
}

Network conv_2_4_6(const std::string& name, const ConvWidths& widths, const ModelOptions& options) {
  check(widths.convolutions.size() % 2 == 0, "[model] '{}' has {} convolutions; expected pairs", name,
        widths.convolutions.size());
  Network network(name, options.image);
  for (size_t i = 0; i < widths.convolutions.size(); ++i) {
    add_conv(network, fmt::format("conv{}", i + 1), {.channels = widths.convolutions[i], .bias = true});
    network.add("relu", fmt::format("relu{}", i + 1));
    if (i % 2 == 1) network.add("max_pool2d", fmt::format("pool{}", i / 2 + 1), {{"kernel", 2}});
  }
  network.add("flatten", "flatten");
  size_t number = 1;
  for (const int features : widths.linear) {
    network.add("linear", fmt::format("fc{}", number), {{"features", features}});
    network.add("relu", fmt::format("fc{}.relu", number++));
  }
  network.add("linear", fmt::format("fc{}", number), {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
