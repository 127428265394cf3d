#pragma once

#include <span>
#include <string_view>

#include "layers/models/blocks.h"

namespace espalier::layers {

// One row of the model zoo.
struct ModelRow {
  std::string_view name;         // "lenet5"
  std::string_view description;  // one line for `espalier list models`
  // A network without weights. Throws Error for images that the model cannot take.
  Network (*make)(const ModelOptions& options);
};
std::span<const ModelRow> models();
// Throws Error, listing the names, for an unknown one.
Network make_model(std::string_view name, const ModelOptions& options);

}  // namespace espalier::layers
