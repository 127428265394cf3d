#pragma once

#include <span>
#include <vector>

namespace espalier::pruning {

// The rank of each value among all, from 1 for the lowest; equal values share the mean of their ranks.
// REQUIRES values other than NaN.
std::vector<double> ranks(std::span<const float> values);

// Spearman's coefficient ρ in [-1, 1]: Pearson's correlation of the two rankings, ties included. What
// Molchanov et al. (ICLR 2017, section 3.1) compare criteria with the oracle by. Throws Error for lengths
// that differ, fewer than two values, a NaN, or a side of equal values only, where ρ is undefined.
double spearman(std::span<const float> a, std::span<const float> b);

}  // namespace espalier::pruning
