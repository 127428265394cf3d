#pragma once

#include <string>

#include "apps/page.h"
#include "layers/network.h"

namespace CLI {
class App;
}

namespace espalier::apps {

// `espalier groups`: the channels of a network that live and die together.
void add_groups(CLI::App& program);

// A row per group: its channels, the layers that make, scale and read them, and what one channel costs.
Page groups_page(const layers::Network& network);

// The network from top to bottom as an SVG document: every layer coloured by the group of the channels that
// it puts out (grey: cannot be pruned; black: channels of several), every line by that of the channels it
// carries.
std::string draw_groups(const layers::Network& network);

}  // namespace espalier::apps
