#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/shape.h"

namespace espalier::layers {

// How channels flow through a layer. A channel is a place on the last axis of what a layer reads or puts out:
// a feature map, or a feature. An output channel without a link is born in the layer: a filter's sum, or
// zeros.
struct ChannelFlow {
  struct Link {
    int input;        // which of the inputs
    int64_t channel;  // of that input
    int64_t output;
  };
  // Output channels that are the same thing as the input channel: neither exists without the other.
  std::vector<Link> tied;
  // Output channels that exist only where the input channel does; that one may well exist without them.
  std::vector<Link> chosen;
  // Channels of the first input, and of the output, that exist only together.
  std::vector<std::vector<int64_t>> input_sets, output_sets;
  // Every output depends on the number of channels: none can be taken away.
  bool whole = false;
  // The axes of parameters and buffers along which channels lie: channel c at c % extent.
  enum class Side : uint8_t { input, output };  // the first input's channels or the output's
  struct Axis {
    std::string tensor;
    int axis;
    Side side;
  };
  std::vector<Axis> axes;
};

// Output channel c is channel c of every input.
ChannelFlow channelwise(std::span<const Shape> inputs);

// The channels that stay when others are taken away, increasing.
struct KeptChannels {
  std::vector<std::vector<int64_t>> inputs;
  std::vector<int64_t> output;
};

}  // namespace espalier::layers
