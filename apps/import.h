#pragma once

#include "core/normalisation.h"

namespace CLI {
class App;
}

namespace espalier::apps {

// espalier import: a network trained elsewhere becomes a model.
void add_import(CLI::App& program);

// --mean and --std, a number per channel.
void add_normalisation(CLI::App& app, Normalisation& normalisation);

}  // namespace espalier::apps
