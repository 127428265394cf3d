#pragma once

#include <string>
#include <vector>

#include "pruning/silence.h"
#include "training/model.h"

namespace espalier::pruning {

// What removed channels still held, moved into a layer that read them.
struct FoldedConstant {
  std::string layer;   // that reads them
  std::string tensor;  // what took them up: its bias (a new one where it had none), or the running mean of
                       // the batch norm behind it
  std::vector<float> added;  // to the tensor, by channel that stays
  double largest = 0;        // of what was moved
  double error = 0;          // the largest difference to what the layer had added; 0 where the move is exact
};

struct SurgeryReport {
  Removal removed;                     // what was asked for and what that implied
  std::vector<FoldedConstant> folded;  // only with constants other than zero
  // Dropout layers that a constant passed through: folded as it is in evaluation, where in training some of
  // its elements were zero.
  std::vector<std::string> random;
};

struct Surgery {
  layers::Network network;
  Restriction restriction;  // for whatever else is laid out as the old network's parameters
  SurgeryReport report;
};

// The network without the channels of `removal`: each layer rewritten to the channels that stay, its
// parameters and buffers cut out of the old ones, on their device. It computes what the old one does under
// silencing_masks(network, …, shifts), to float32 rounding, in training and in evaluation, apart from
// - constants that are folded though a layer with zero padding read them: there the fold is exact only where
//   its window meets no border, and FoldedConstant::error says how far off the border is;
// - dropout in training, which draws by an element's place: fewer channels, other draws.
// `removal` counts in candidates of ChannelGraph(network). Throws Error as ChannelGraph::closure does.
Surgery remove_channels(layers::Network& network, const Removal& removal, Shifts shifts = Shifts::zero);

// The rewritten network alone, without weights: what it would cost. `network` needs none either.
layers::Network without_channels(const layers::Network& network, const Removal& removal);

// What is left to do once prune_channels() has put the network into its model.
struct ModelSurgery {
  Restriction restriction;  // for an optimizer's state
  SurgeryReport report;
};
// For stages: replaces model.network and cuts the masks and codebooks to fit. Throws Error, leaving the model
// as it was, where a constant would have to be folded into a bias that a mask or codebook holds.
ModelSurgery prune_channels(Model& model, const Removal& removal, Shifts shifts = Shifts::zero);

// Averages over time of the old network's state, as those of the new one: without what went, and with the
// constants that were folded added to them as to what they average. That of a new bias begins there.
std::map<std::string, Tensor> follow_averages(const ModelSurgery& surgery,
                                              const std::map<std::string, Tensor>& averages);

}  // namespace espalier::pruning
