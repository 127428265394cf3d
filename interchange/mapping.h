#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "interchange/checkpoint.h"
#include "layers/network.h"

namespace espalier::interchange {

// How a checkpoint's names become the network's, beyond what fill_network knows. A name here stands for
// itself and for every name that continues it after a dot.
struct NameRules {
  std::map<std::string, std::string> rename;  // the longest that fits counts
  std::vector<std::string> ignore;            // tensors to leave out, by their names before renaming
};
// Reads rules from a TOML file: ignore = ["aux"], and a table [rename] of "theirs" = "ours".
NameRules read_name_rules(const std::filesystem::path& path);

// What fill_network left out.
struct Filled {
  std::string prefix;                // stripped from every name: "module."
  std::vector<std::string> ignored;  // by a rule, and counters that only training uses: *.num_batches_tracked
};

// Copies the tensors of `checkpoint`, named and laid out as PyTorch does, into the network's parameters and
// running statistics. Prefixes that all names share and wrappers add ("module.", "_orig_mod.", "model.") are
// stripped, then `rules` are applied. Layouts are translated: convolutions OIHW to OHWI; what reads a
// flattened image from (C, H, W) order to (H, W, C). Throws Error, beginning with `origin`, that lists every
// tensor unused, missing or misshapen.
Filled fill_network(const Checkpoint& checkpoint, layers::Network& network, const std::string& origin,
                    const NameRules& rules = {});

// The reverse: the network's state in PyTorch's layouts, on the host.
std::map<std::string, Tensor> torch_state(layers::Network& network);

// Whether the network's output is an image, flattened, whose elements PyTorch would put in another order.
bool ends_in_flattened_image(const layers::Network& network);

}  // namespace espalier::interchange
