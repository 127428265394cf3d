#pragma once

#include <span>
#include <vector>

#include "layers/network.h"

namespace espalier::layers {

// The layers in steps, in an order in which they can be computed. A value that two layers read is never
// swallowed.
std::vector<Network::Step> fuse(std::span<const Network::Node> nodes, bool training);
// Every layer a step of its own.
std::vector<Network::Step> one_by_one(std::span<const Network::Node> nodes);

}  // namespace espalier::layers
