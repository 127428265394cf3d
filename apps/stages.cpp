#include "apps/stages.h"

#include <algorithm>

#include "compression/stages.h"
#include "core/named_rows.h"
#include "pruning/stages.h"

namespace espalier::apps {

std::span<const StageRow> stages() {
  static const StageRow kStages[] = {
      kTrainStage,
      pruning::kPruneStage,
      pruning::kPruneChannelsStage,
      pruning::kSoftPruneStage,
      pruning::kSlimStage,
      pruning::kPruneGreedilyStage,
      pruning::kPruneByLassoStage,
      compression::kQuantizeStage,
      compression::kEncodeStage,
      pruning::kRankCriteriaStage,
      kEvaluateStage,
  };
  return kStages;
}

std::vector<RecipeStage> read_stages(const Config& recipe) {
  std::vector<RecipeStage> result;
  for (const Config& table : recipe.tables("stage")) {
    const std::string type = table.get_choice("type", names_of(stages()));
    const auto row = std::ranges::find(stages(), type, &StageRow::name);
    result.push_back({type, row->make(table)});
    table.finish();
  }
  check(!result.empty(), "{}: no [[stage]]; expected at least one", recipe.where());
  return result;
}

}  // namespace espalier::apps
