#pragma once

#include <map>
#include <string>
#include <vector>

#include "pruning/criterion.h"
#include "training/layer_values.h"
#include "training/model.h"

namespace espalier::pruning {

// New masks for the targets. A weight that `masks` already prunes stays pruned. Among equal scores the
// earlier weight goes first, so that exactly round(density · n) weights survive (fewer where fewer were
// left).
using Masks = std::map<std::string, Tensor>;
// Each target to its own density.
Masks prune_layers(const std::vector<WeightValue<double>>& targets, const Criterion& criterion,
                   const Masks& masks);
// All targets together to `density` of their total number of weights.
Masks prune_globally(const std::vector<const Parameter*>& weights, double density, const Criterion& criterion,
                     const Masks& masks);
// Each target's weights with |w| below quality · (the standard deviation of its surviving weights) (Han et
// al., NIPS 2015, section 4.1).
Masks prune_by_quality(const std::vector<const Parameter*>& weights, double quality, const Masks& masks);

// The share of the weights that `masks` keeps; a weight without a mask is kept whole.
double density_of(const Masks& masks, const std::vector<const Parameter*>& weights);

// The density after round `round` of `rounds` (from 1) on the way from `from` to `to`: "linear", or "cubic"
// as in Zhu & Gupta (2017): to + (from − to)(1 − round/rounds)³. "one_shot" is `to` at once.
double density_at(const std::string& schedule, double from, double to, int64_t round, int64_t rounds);
const std::vector<std::string>& density_schedules();

}  // namespace espalier::pruning
