#include "layers/models/resnet_cifar.h"

#include "core/error.h"

namespace espalier::layers {
namespace {

struct Block {
  int inner, channels, stride;
};

// Returns the name of the layer that the block's sum adds to its residual.
std::string add_shortcut(Network& network, const std::string& block, const std::string& input,
                         int channels_in, const Block& to, Shortcut shortcut) {
  if (to.stride == 1 && channels_in == to.channels) return input;
  if (shortcut == Shortcut::project) {
    add_conv(network, block + ".shortcut.0", {.channels = to.channels, .kernel = 1, .stride = to.stride},
             input);
    network.add("batch_norm", block + ".shortcut.1");
    return last_name(network);
  }
  const int extra = to.channels - channels_in;
  check(extra >= 0, "[model] block '{}' narrows {} channels to {}; a padded shortcut can only widen", block,
        channels_in, to.channels);
  network.add("average_pool2d", block + ".shortcut.subsample", {{"kernel", 1}, {"stride", to.stride}},
              {input});
  network.add("pad_channels", block + ".shortcut.pad", {{"before", extra / 2}, {"after", extra - extra / 2}});
  return last_name(network);
}

void add_block(Network& network, const std::string& name, const Block& block, Shortcut shortcut) {
  const std::string input = last_name(network);
  const int channels_in = last_channels(network);
  add_conv(network, name + ".conv1", {.channels = block.inner, .stride = block.stride});
  network.add("batch_norm", name + ".bn1");
  network.add("relu", name + ".relu1");
  add_conv(network, name + ".conv2", {.channels = block.channels});
  network.add("batch_norm", name + ".bn2");
  const std::string carried = add_shortcut(network, name, input, channels_in, block, shortcut);
  network.add("add", name + ".add", nlohmann::json::object(), {name + ".bn2", carried});
  network.add("relu", name + ".relu2");
}

}  // namespace

CifarResNetWidths cifar_resnet_widths(double width) {
  CifarResNetWidths widths;
  widths.stem = scaled(widths.stem, width);
  for (int& channels : widths.stages) channels = scaled(channels, width);
  return widths;
}

Network resnet_cifar(const std::string& name, int depth, Shortcut shortcut, const CifarResNetWidths& widths,
                     const ModelOptions& options) {
  check(depth >= 8 && depth % 6 == 2, "[model] a CIFAR ResNet of depth {}; expected 6 n + 2", depth);
  const int blocks = (depth - 2) / 6;
  check(widths.inner.empty() || widths.inner.size() == static_cast<size_t>(3 * blocks),
        "[model] {} inner widths for a CIFAR ResNet of depth {}; expected none or one for each of its {} "
        "blocks",
        widths.inner.size(), depth, 3 * blocks);
  Network network(name, options.image);
  add_conv(network, "conv1", {.channels = widths.stem});
  network.add("batch_norm", "bn1");
  network.add("relu", "relu1");
  size_t index = 0;
  for (size_t stage = 0; stage < 3; ++stage)
    for (int i = 0; i < blocks; ++i) {
      const int channels = widths.stages[stage];
      add_block(network, fmt::format("layer{}.{}", stage + 1, i),
                {.inner = widths.inner.empty() ? channels : widths.inner[index++],
                 .channels = channels,
                 .stride = stage > 0 && i == 0 ? 2 : 1},
                shortcut);
    }
  network.add("global_average_pool2d", "pool");
  network.add("linear", "linear", {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
