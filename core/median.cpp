#include "core/median.h"

#include <algorithm>

namespace espalier {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> alternate(const std::vector<std::function<double()>>& figures, int repeats) {
  std::vector<std::vector<double>> taken(figures.size());
  for (int i = 0; i < repeats; ++i)
    for (size_t side = 0; side < figures.size(); ++side) taken[side].push_back(figures[side]());
  std::vector<double> medians;
  for (const std::vector<double>& each : taken) medians.push_back(median(each));
  return medians;
}

}  // namespace espalier
