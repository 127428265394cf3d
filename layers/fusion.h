#pragma once

#include <optional>
#include <span>
#include <vector>

#include "layers/network.h"

namespace espalier::layers {

// For each node the one node that reads it, or none where several do or nobody.
std::vector<std::optional<size_t>> only_readers(std::span<const Network::Node> nodes);
// The layers in steps, in an order in which they can be computed. A value that two layers read is never
// swallowed. Differentiable ones keep batch norms apart, as training does too.
std::vector<Network::Step> fuse(std::span<const Network::Node> nodes, bool differentiable);
// Every layer a step of its own.
std::vector<Network::Step> one_by_one(std::span<const Network::Node> nodes);

}  // namespace espalier::layers
