#include "layers/models/resnet.h"

#include <numeric>

#include "core/error.h"

namespace espalier::layers {
namespace {

std::array<int, 4> blocks_of(int depth) {
  switch (depth) {
    case 18:
      return {2, 2, 2, 2};
    case 34:
    case 50:
      return {3, 4, 6, 3};
    case 101:
      return {3, 4, 23, 3};
    default:
      fail("[model] a ResNet of depth {}; expected 18, 34, 50 or 101", depth);
  }
}

bool has_bottlenecks(int depth) {
  return depth >= 50;
}

// `inner` has one width for a basic block, two for a bottleneck.
void add_block(Network& network, const std::string& name, const std::vector<int>& inner, int channels,
               int stride) {
  const std::string input = last_name(network);
  const int channels_in = last_channels(network);
  const bool bottleneck = inner.size() == 2;
  const std::vector<Conv> convolutions =
      bottleneck ? std::vector<Conv>{{.channels = inner[0], .kernel = 1},
                                     {.channels = inner[1], .stride = stride},
                                     {.channels = channels, .kernel = 1}}
                 : std::vector<Conv>{{.channels = inner[0], .stride = stride}, {.channels = channels}};
  for (size_t i = 0; i < convolutions.size(); ++i) {
    add_conv(network, fmt::format("{}.conv{}", name, i + 1), convolutions[i]);
    network.add("batch_norm", fmt::format("{}.bn{}", name, i + 1));
    if (i + 1 < convolutions.size()) network.add("relu", fmt::format("{}.relu{}", name, i + 1));
  }
  const std::string residual = last_name(network);
  std::string carried = input;
  if (stride != 1 || channels_in != channels) {
    add_conv(network, name + ".downsample.0", {.channels = channels, .kernel = 1, .stride = stride}, input);
    network.add("batch_norm", name + ".downsample.1");
    carried = last_name(network);
  }
  network.add("add", name + ".add", nlohmann::json::object(), {residual, carried});
  network.add("relu", name + ".relu");
}

}  // namespace

ResNetWidths resnet_widths(int depth, double width) {
  ResNetWidths widths{.stem = scaled(64, width)};
  const std::array<int, 4> blocks = blocks_of(depth);
  for (size_t stage = 0; stage < blocks.size(); ++stage) {
    const int channels = scaled(64 << stage, width);
    const bool bottlenecks = has_bottlenecks(depth);
    widths.stages[stage] = bottlenecks ? kExpansion * channels : channels;
    const std::vector<int> inner(bottlenecks ? 2 : 1, channels);
    widths.inner.insert(widths.inner.end(), static_cast<size_t>(blocks[stage]), inner);
  }
  return widths;
}

Network resnet(const std::string& name, int depth, ResNetStem stem, const ResNetWidths& widths,
               const ModelOptions& options) {
  const std::array<int, 4> blocks = blocks_of(depth);
  const auto count = static_cast<size_t>(std::accumulate(blocks.begin(), blocks.end(), 0));
  check(widths.inner.size() == count, "[model] inner widths of {} blocks for a ResNet of {}",
        widths.inner.size(), count);
  Network network(name, options.image);
  if (stem == ResNetStem::imagenet) {
    add_conv(network, "conv1", {.channels = widths.stem, .kernel = 7, .stride = 2});
  } else {
    add_conv(network, "conv1", {.channels = widths.stem});
  }
  network.add("batch_norm", "bn1");
  network.add("relu", "relu");
  if (stem == ResNetStem::imagenet)
    network.add("max_pool2d", "maxpool", {{"kernel", 3}, {"stride", 2}, {"padding", 1}});
  size_t index = 0;
  for (size_t stage = 0; stage < blocks.size(); ++stage)
    for (int i = 0; i < blocks[stage]; ++i, ++index) {
      const std::vector<int>& inner = widths.inner[index];
      check(inner.size() == (has_bottlenecks(depth) ? 2 : 1),
            "[model] {} inner widths for block {} of a ResNet of depth {}", inner.size(), index, depth);
      add_block(network, fmt::format("layer{}.{}", stage + 1, i), inner, widths.stages[stage],
                stage > 0 && i == 0 ? 2 : 1);
    }
  network.add("global_average_pool2d", "avgpool");
  network.add("linear", "fc", {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
