#include "layers/models/densenet.h"

#include "core/error.h"

namespace espalier::layers {

DenseNetWidths densenet_widths(int depth, int growth, double width) {
  check(depth >= 7 && depth % 3 == 1, "[model] a DenseNet of depth {}; expected 3 n + 4", depth);
  const int added = scaled(growth, width), layers = (depth - 4) / 3;
  DenseNetWidths widths{.stem = 2 * added};
  int channels = widths.stem;
  for (size_t block = 0; block < widths.blocks.size(); ++block) {
    widths.blocks[block].assign(static_cast<size_t>(layers), {.selection = {}, .growth = added});
    channels += layers * added;
    if (block < widths.transitions.size())
      widths.transitions[block] = {.selection = {}, .channels = channels};
  }
  return widths;
}

Network densenet(const std::string& name, const DenseNetWidths& widths, const ModelOptions& options) {
  Network network(name, options.image);
  const auto add_activation = [&](const std::string& prefix, const std::string& bn,
                                  const Selection& selection) {
    add_selection(network, prefix + "select", selection);
    network.add("batch_norm", prefix + bn);
    network.add("relu", prefix + "relu");
  };
  add_conv(network, "conv1", {.channels = widths.stem});
  for (size_t block = 0; block < widths.blocks.size(); ++block) {
    for (size_t i = 0; i < widths.blocks[block].size(); ++i) {
      const std::string input = last_name(network), prefix = fmt::format("dense{}.{}.", block + 1, i);
      add_activation(prefix, "bn1", widths.blocks[block][i].selection);
      add_conv(network, prefix + "conv1", {.channels = widths.blocks[block][i].growth});
      network.add("concat", prefix + "concat", nlohmann::json::object(), {input, prefix + "conv1"});
    }
    if (block == widths.transitions.size()) break;
    const std::string prefix = fmt::format("trans{}.", block + 1);
    add_activation(prefix, "bn1", widths.transitions[block].selection);
    add_conv(network, prefix + "conv1", {.channels = widths.transitions[block].channels, .kernel = 1});
    network.add("average_pool2d", prefix + "pool", {{"kernel", 2}});
  }
  add_activation("", "bn", widths.selection);
  network.add("global_average_pool2d", "avgpool");
  network.add("linear", "fc", {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
