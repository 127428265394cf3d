#pragma once

#include <map>
#include <string>

#include "pruning/channel_graph.h"
#include "pruning/samples.h"

namespace espalier::pruning {

// Channel pruning by LASSO and least squares, one group at a time, front to back (He, Zhang & Sun, ICCV 2017,
// section 3).

// Whether all that reads the group's channels are layers whose weights can make up for those that go:
// convolutions in one group, linear layers. Not where a sum of branches carries the channels on.
bool can_be_reconstructed(const layers::Network& network, const ChannelGroup& group);

struct Reconstruction {
  Removal removal;  // of the group's channels
  // New weights and biases of the layers that read the group, of their old shapes, zero for what goes.
  std::map<std::string, Tensor> parameters;
  // Of those layers' outputs at the sampled places what stays unexplained: Σ ‖y − y'‖² / Σ ‖y‖².
  double error = 0;
};

// Leaves `keep` of the channels of group `index` of `graph`, that of `network`. Both networks are run in
// evaluation mode on the samples; at `positions` places of each image (drawn from `seed`; all, where there
// are no more) the inputs X of each layer that reads the group are taken from `network`, its output Y from
// `original`.
// (i) The channels are those that a LASSO over Y ≈ Σ_c β_c X_c W_cᵀ leaves, each W_c at norm 1.
// (ii) W becomes the least squares of Y in what X keeps, with a bias where the layer has one.
// Where such a layer ends the branch of a residual block, alone or with a batch norm behind it, the sum is
// what is reconstructed: Y = Y1 − Y1' + Y2 with the branch's original output Y2 and the other branch's Y1,
// which is Y1' in `network` by now (section 3.3). Batch norm's factors weigh the channels of Y. REQUIRES:
// can_be_reconstructed(), and that of the original's channels those that these layers put out are all there
// still.
Reconstruction reconstruct(layers::Network& original, layers::Network& network, const ChannelGraph& graph,
                           int index, int keep, const Samples& samples, int64_t positions, uint64_t seed);

}  // namespace espalier::pruning
