#pragma once

#include "training/stage.h"

namespace espalier::pruning {

// Prunes weights and retrains the survivors with the masks held, in one round or several (Han et al., NIPS
// 2015).
std::unique_ptr<Stage> make_prune_stage(const Config& config);

}  // namespace espalier::pruning
