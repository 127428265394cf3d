#pragma once

#include <optional>
#include <span>
#include <vector>

#include "pruning/channel_criterion.h"

namespace espalier::pruning {

// The rank of each value among all, from 1 for the lowest; equal values share the mean of their ranks.
// REQUIRES values other than NaN.
std::vector<double> ranks(std::span<const float> values);

// Spearman's coefficient ρ in [-1, 1]: Pearson's correlation of the two rankings, ties included. What
// Molchanov et al. (ICLR 2017, section 3.1) compare criteria with the oracle by. Throws Error for lengths
// that differ, fewer than two values, a NaN, or a side of equal values only, where ρ is undefined.
double spearman(std::span<const float> a, std::span<const float> b);

// How well a criterion ranks the candidates that the oracle ranks too, as ρ between them (Molchanov et al.,
// ICLR 2017, table 1); nothing where there are fewer than two candidates to tell apart.
struct OracleCorrelation {
  int64_t groups = 0;                         // those that are in the mean
  std::optional<double> by_group;             // the mean over the groups
  std::optional<double> all_groups;           // over all candidates at once
  std::optional<double> all_groups_rescaled;  // likewise, each group's scores divided by their ℓ2 norm
};
OracleCorrelation correlate(const ChannelScores& scores, const ChannelScores& oracle);

}  // namespace espalier::pruning
