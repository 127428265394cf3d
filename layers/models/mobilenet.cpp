#include "layers/models/mobilenet.h"

#include <algorithm>

namespace espalier::layers {
namespace {

int rounded_to_eight(int channels, double width) {
  const double exact = channels * width;
  const int rounded = std::max(8, static_cast<int>(exact + 4) / 8 * 8);
  return rounded < 0.9 * exact ? rounded + 8 : rounded;
}

// Convolution, batch norm and activation, numbered from `index` within `sequence`.
void add_unit(Network& network, const std::string& sequence, int index, const Conv& conv,
              const std::string& activation) {
  add_conv(network, numbered(sequence, index), conv);
  network.add("batch_norm", numbered(sequence, index + 1));
  network.add(activation, numbered(sequence, index + 2));
}

void add_inverted_residual(Network& network, const std::string& name, const MobileNetV2Widths::Block& block) {
  const std::string input = last_name(network), sequence = name + ".conv";
  const int channels_in = last_channels(network);
  int index = 0;
  if (block.expands)
    add_unit(network, numbered(sequence, index++), 0, {.channels = block.expanded, .kernel = 1}, "relu6");
  add_unit(network, numbered(sequence, index++), 0,
           {.channels = block.expanded, .stride = block.stride, .groups = block.expanded}, "relu6");
  add_conv(network, numbered(sequence, index), {.channels = block.channels, .kernel = 1});
  network.add("batch_norm", numbered(sequence, index + 1));
  if (block.stride == 1 && block.channels == channels_in)
    network.add("add", name + ".add", nlohmann::json::object(), {input, last_name(network)});
}

}  // namespace

MobileNetV1Widths mobilenet_v1_widths(double width) {
  MobileNetV1Widths widths;
  widths.stem = scaled(widths.stem, width);
  for (int& channels : widths.blocks) channels = scaled(channels, width);
  return widths;
}

Network mobilenet_v1(const MobileNetV1Widths& widths, const ModelOptions& options) {
  Network network("mobilenet_v1", options.image);
  add_unit(network, "features.0", 0, {.channels = widths.stem, .stride = 2}, "relu");
  for (size_t i = 0; i < widths.blocks.size(); ++i) {
    const std::string sequence = fmt::format("features.{}", i + 1);
    const int channels_in = last_channels(network);
    const bool halves = i == 1 || i == 3 || i == 5 || i == 11;
    add_unit(network, sequence, 0, {.channels = channels_in, .stride = halves ? 2 : 1, .groups = channels_in},
             "relu");
    add_unit(network, sequence, 3, {.channels = widths.blocks[i], .kernel = 1}, "relu");
  }
  network.add("global_average_pool2d", "avgpool");
  network.add("linear", "classifier", {{"features", options.classes}});
  return network;
}

MobileNetV2Widths mobilenet_v2_widths(double width) {
  struct Row {
    int expansion, channels, blocks, stride;
  };
  constexpr Row kRows[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                           {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  MobileNetV2Widths widths{.stem = rounded_to_eight(32, width),
                           .last = rounded_to_eight(1280, std::max(1.0, width))};
  int channels_in = widths.stem;
  for (const Row& row : kRows)
    for (int i = 0; i < row.blocks; ++i) {
      const int channels = rounded_to_eight(row.channels, width);
      widths.blocks.push_back({.expanded = channels_in * row.expansion,
                               .expands = row.expansion != 1,
                               .channels = channels,
                               .stride = i == 0 ? row.stride : 1});
      channels_in = channels;
    }
  return widths;
}

Network mobilenet_v2(const MobileNetV2Widths& widths, const ModelOptions& options) {
  Network network("mobilenet_v2", options.image);
  add_unit(network, "features.0", 0, {.channels = widths.stem, .stride = 2}, "relu6");
  int index = 1;
  for (const MobileNetV2Widths::Block& block : widths.blocks)
    add_inverted_residual(network, numbered("features", index++), block);
  add_unit(network, numbered("features", index), 0, {.channels = widths.last, .kernel = 1}, "relu6");
  network.add("global_average_pool2d", "avgpool");
  network.add("dropout", "classifier.0", {{"probability", 0.2}});
  network.add("linear", "classifier.1", {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
