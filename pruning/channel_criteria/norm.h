#pragma once

#include <vector>

#include "pruning/channel_criteria/filters.h"

namespace espalier::pruning {

double l1_norm(const std::vector<float>& filter);
double l2_norm(const std::vector<float>& filter);
// The norm of each candidate's filter in each layer, reduced.
std::vector<float> norms(const std::vector<Filters>& layers, double (*norm)(const std::vector<float>&),
                         Reduction reduction);

}  // namespace espalier::pruning
