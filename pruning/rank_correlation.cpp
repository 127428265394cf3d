#include "pruning/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace espalier::pruning {

std::vector<double> ranks(std::span<const float> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return values[i]; });
  std::vector<double> result(values.size());
  for (size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    for (size_t i = first; i < last; ++i) result[order[i]] = static_cast<double>(first + 1 + last) / 2;
  }
  return result;
}

double spearman(std::span<const float> a, std::span<const float> b) {
  check(a.size() == b.size() && a.size() >= 2,
        "[spearman] {} and {} values; two or more are due, as many on either side", a.size(), b.size());
  const auto is_nan = [](float value) { return std::isnan(value); };
  check(std::ranges::none_of(a, is_nan) && std::ranges::none_of(b, is_nan), "[spearman] a value is NaN");
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double mean = (static_cast<double>(a.size()) + 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  check(xx > 0 && yy > 0, "[spearman] all {} values of one side are equal: no ranking to compare", a.size());
  return xy / std::sqrt(xx * yy);
}

namespace {

bool tells_apart(std::span<const float> values) {
  return std::ranges::any_of(values, [&](float value) { return value != values.front(); });
}

std::optional<double> spearman_if_defined(std::span<const float> a, std::span<const float> b) {
  if (!tells_apart(a) || !tells_apart(b)) return std::nullopt;
  return spearman(a, b);
}

}  // namespace

OracleCorrelation correlate(const ChannelScores& scores, const ChannelScores& oracle) {
  OracleCorrelation result;
  double sum = 0;
  std::vector<float> all, all_rescaled, all_oracle;
  for (size_t g = 0; g < scores.size(); ++g) {
    const std::vector<float>&score = scores[g], &truth = oracle.at(g);
    if (score.empty() || truth.empty()) continue;
    if (const auto coefficient = spearman_if_defined(score, truth)) {
      sum += *coefficient;
      ++result.groups;
    }
    double squares = 0;
    for (const float value : score) squares += static_cast<double>(value) * value;
    const double norm = squares > 0 ? std::sqrt(squares) : 1;
    for (const float value : score) all_rescaled.push_back(static_cast<float>(value / norm));
    all.insert(all.end(), score.begin(), score.end());
    all_oracle.insert(all_oracle.end(), truth.begin(), truth.end());
  }
  if (result.groups > 0) result.by_group = sum / static_cast<double>(result.groups);
  result.all_groups = spearman_if_defined(all, all_oracle);
  result.all_groups_rescaled = spearman_if_defined(all_rescaled, all_oracle);
  return result;
}

}  // namespace espalier::pruning
