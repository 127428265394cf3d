#pragma once

#include <map>
#include <string>
#include <vector>

#include "pruning/restriction.h"

namespace espalier::pruning {

// What becomes of the biases and batch-norm shifts of channels that are silenced.
enum class Shifts : uint8_t {
  zero,  // they go with the weights
  keep,  // the channels hold them from then on, as they do where batch norm's scale was driven to zero
};

// A mask (uint8, 1 keeps) for each parameter that silencing touches: the weights and scales that make the
// removed channels are zero, their biases and shifts too with Shifts::zero. Where a removed channel goes on
// holding what it is made from (nothing with weights makes it, as behind a select_channels layer), the
// weights that read it are zero. A network under these masks computes what remove_channels() makes of it.
std::map<std::string, Tensor> silencing_masks(layers::Network& network, const ChannelGraph& graph,
                                              const RemovedChannels& removed, Shifts shifts);

// What removed channels hold while they are silenced. Their values depend on no image, but at a place near
// the border on the zeros around it.
struct SilentChannels {
  // By node, by output channel: removed, and its values are known.
  std::vector<std::vector<char>> known;
  // By node: one image's output, zero in all other channels; undefined where all of it is zero.
  std::vector<Tensor> values;
  // Dropout layers that zero some of these values in training.
  std::vector<std::string> random;
};
SilentChannels silent_channels(layers::Network& network, const ChannelGraph& graph,
                               const RemovedChannels& removed, Shifts shifts);

}  // namespace espalier::pruning
