#include "layers/models/preresnet.h"

#include "core/error.h"

namespace espalier::layers {
namespace {

int blocks_per_stage(int depth) {
  check(depth >= 11 && depth % 9 == 2, "[model] a pre-activation ResNet of depth {}; expected 9 n + 2",
        depth);
  return (depth - 2) / 9;
}

void add_block(Network& network, const std::string& name, const PreResNetWidths::Block& block, int channels,
               int stride) {
  const std::string input = last_name(network);
  const int channels_in = last_channels(network);
  add_selection(network, name + ".select", block.selection);
  network.add("batch_norm", name + ".bn1");
  network.add("relu", name + ".relu1");
  add_conv(network, name + ".conv1", {.channels = block.inner[0], .kernel = 1});
  network.add("batch_norm", name + ".bn2");
  network.add("relu", name + ".relu2");
  add_conv(network, name + ".conv2", {.channels = block.inner[1], .stride = stride});
  network.add("batch_norm", name + ".bn3");
  network.add("relu", name + ".relu3");
  add_conv(network, name + ".conv3", {.channels = channels, .kernel = 1});
  std::string carried = input;
  if (stride != 1 || channels_in != channels) {
    carried = name + ".downsample.0";
    add_conv(network, carried, {.channels = channels, .kernel = 1, .stride = stride}, input);
  }
  network.add("add", name + ".add", nlohmann::json::object(), {name + ".conv3", carried});
}

}  // namespace

PreResNetWidths preresnet_widths(int depth, double width) {
  PreResNetWidths widths{.stem = scaled(16, width)};
  for (size_t stage = 0; stage < widths.stages.size(); ++stage) {
    const int channels = scaled(16 << stage, width);
    widths.stages[stage] = kExpansion * channels;
    widths.blocks.insert(widths.blocks.end(), static_cast<size_t>(blocks_per_stage(depth)),
                         {.selection = {}, .inner = {channels, channels}});
  }
  return widths;
}

Network preresnet(const std::string& name, int depth, const PreResNetWidths& widths,
                  const ModelOptions& options) {
  const int blocks = blocks_per_stage(depth);
  check(widths.blocks.size() == static_cast<size_t>(3 * blocks),
        "[model] widths of {} blocks for a pre-activation ResNet of {}", widths.blocks.size(), 3 * blocks);
  Network network(name, options.image);
  add_conv(network, "conv1", {.channels = widths.stem});
  size_t index = 0;
  for (size_t stage = 0; stage < 3; ++stage)
    for (int i = 0; i < blocks; ++i)
      add_block(network, fmt::format("layer{}.{}", stage + 1, i), widths.blocks[index++],
                widths.stages[stage], stage > 0 && i == 0 ? 2 : 1);
  add_selection(network, "select", widths.selection);
  network.add("batch_norm", "bn");
  network.add("relu", "relu");
  network.add("global_average_pool2d", "avgpool");
  network.add("linear", "fc", {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
