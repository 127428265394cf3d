#pragma once

#include <map>
#include <string>
#include <vector>

#include "interchange/checkpoint.h"
#include "layers/network.h"

namespace espalier::interchange {

// What fill_network left out.
struct Filled {
  std::string prefix;                // stripped from every name: "module."
  std::vector<std::string> ignored;  // counters that only training uses: *.num_batches_tracked
};

// Copies the tensors of `checkpoint`, named and laid out as PyTorch does, into the network's parameters and
// running statistics. Prefixes that all names share and wrappers add ("module.", "_orig_mod.", "model.") are
// stripped. Layouts are translated: convolutions OIHW to OHWI; what reads a flattened image from (C, H, W)
// order to (H, W, C). Throws Error, beginning with `origin`, that lists every tensor unused, missing or
// misshapen.
Filled fill_network(const Checkpoint& checkpoint, layers::Network& network, const std::string& origin);

// The reverse: the network's state in PyTorch's layouts, on the host.
std::map<std::string, Tensor> torch_state(layers::Network& network);

// Whether the network's output is an image, flattened, whose elements PyTorch would put in another order.
bool ends_in_flattened_image(const layers::Network& network);

}  // namespace espalier::interchange
