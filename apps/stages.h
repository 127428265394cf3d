#pragma once

#include <span>
#include <vector>

#include "training/stage.h"

namespace espalier::apps {

std::span<const StageRow> stages();
// The stages of a recipe, their options read and checked.
struct RecipeStage {
  std::string type;
  std::unique_ptr<Stage> stage;
};
std::vector<RecipeStage> read_stages(const Config& recipe);

}  // namespace espalier::apps
