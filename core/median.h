#pragma once

#include <functional>
#include <vector>

namespace espalier {

// Of an even number the mean of the middle two. REQUIRES: not empty.
double median(std::vector<double> values);

// The medians of figures that are taken in turn, so that what the machine does beside falls on all of them.
std::vector<double> alternate(const std::vector<std::function<double()>>& figures, int repeats);

}  // namespace espalier
