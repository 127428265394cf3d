#include "layers/models/blocks.h"

#include <algorithm>
#include <cmath>

namespace espalier::layers {

int scaled(int channels, double width) {
  return std::max(1, static_cast<int>(std::lround(channels * width)));
}

void add_conv(Network& network, const std::string& name, const Conv& conv, const std::string& input) {
  network.add("conv2d", name,
              {{"channels", conv.channels},
               {"kernel", conv.kernel},
               {"stride", conv.stride},
               {"padding", conv.kernel / 2},
               {"groups", conv.groups},
               {"bias", conv.bias}},
              input.empty() ? std::vector<std::string>{} : std::vector{input});
}

void add_selection(Network& network, const std::string& name, const Selection& selection) {
  nlohmann::json attributes = nlohmann::json::object();
  if (!selection.empty()) attributes["channels"] = selection;
  network.add("select_channels", name, attributes);
}

const std::string& last_name(const Network& network) {
  return network.nodes().back().layer->name();
}

int last_channels(const Network& network) {
  return static_cast<int>(network.nodes().back().output.columns());
}

}  // namespace espalier::layers
