#pragma once

#include <string>
#include <vector>

#include "layers/network.h"

// What the models of the zoo are put together from.
namespace espalier::layers {

// What a model is made for. Widths are the channels and features of hidden layers.
struct ModelOptions {
  Shape image;  // (H, W, C)
  int classes = 10;
  double width = 1;  // multiplies every width
};

// `channels` times `width`, rounded to the nearest and at least 1.
int scaled(int channels, double width);

constexpr int kExpansion = 4;  // of a bottleneck's last convolution

// A convolution padded by half its kernel.
struct Conv {
  int channels;
  int kernel = 3;
  int stride = 1;
  int groups = 1;
  bool bias = false;
};
// Reads the layer named `input`, or the one added last where it is empty.
void add_conv(Network& network, const std::string& name, const Conv& conv, const std::string& input = {});

// What a layer that selects channels passes on: an increasing list of indices, or, empty, all.
using Selection = std::vector<int>;
void add_selection(Network& network, const std::string& name, const Selection& selection);

// The name and the channels of the layer added last.
const std::string& last_name(const Network& network);
int last_channels(const Network& network);

// A layer without parameters: torchvision numbers those within its sequences, and so do the names here.
inline std::string numbered(const std::string& sequence, int index) {
  return fmt::format("{}.{}", sequence, index);
}

}  // namespace espalier::layers
