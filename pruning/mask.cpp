#include "pruning/mask.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace espalier::pruning {
namespace {

// The scores of a weight, with −infinity where it is pruned already.
std::vector<float> surviving_scores(const Parameter& weight, const Criterion& criterion, const Masks& masks) {
  std::vector<float> scores = criterion.scores(weight);
  check(scores.size() == static_cast<size_t>(weight.shape.numel()),
        "[prune] {} scores for the {} weights of '{}'", scores.size(), weight.shape.numel(), weight.name);
  for (float score : scores) check(std::isfinite(score), "[prune] a score of '{}' is {}", weight.name, score);
  if (const auto mask = masks.find(weight.name); mask != masks.end()) {
    const std::vector<uint8_t> keep = mask->second.to_vector<uint8_t>();
    for (size_t i = 0; i < keep.size(); ++i)
      if (keep[i] == 0) scores[i] = -std::numeric_limits<float>::infinity();
  }
  return scores;
}

// 1 for the `count` highest scores that are finite.
std::vector<uint8_t> keep_highest(const std::vector<float>& scores, size_t count) {
  std::vector<size_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto higher = [&](size_t a, size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a > b;
  };
  count = std::min(count, order.size());
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), higher);
  std::vector<uint8_t> keep(scores.size(), 0);
  for (size_t i = 0; i < count; ++i) keep[order[i]] = std::isfinite(scores[order[i]]) ? 1 : 0;
  return keep;
}

Tensor as_mask(std::vector<uint8_t> keep, const Parameter& weight) {
  return Tensor::from(keep, weight.shape, weight.variable.value().device());
}

size_t survivors(double density, size_t weights) {
  check(density >= 0 && density <= 1, "[prune] density {}; expected one in [0, 1]", density);
  return static_cast<size_t>(std::llround(density * static_cast<double>(weights)));
}

}  // namespace

Masks prune_layers(const std::vector<WeightValue<double>>& targets, const Criterion& criterion,
                   const Masks& masks) {
  Masks result = masks;
  for (const auto& [weight, density] : targets) {
    const std::vector<float> scores = surviving_scores(*weight, criterion, masks);
    result[weight->name] = as_mask(keep_highest(scores, survivors(density, scores.size())), *weight);
  }
  return result;
}

Masks prune_globally(const std::vector<const Parameter*>& weights, double density, const Criterion& criterion,
                     const Masks& masks) {
  std::vector<float> all;
  for (const Parameter* weight : weights) {
    const std::vector<float> scores = surviving_scores(*weight, criterion, masks);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  const std::vector<uint8_t> keep = keep_highest(all, survivors(density, all.size()));
  Masks result = masks;
  auto next = keep.begin();
  for (const Parameter* weight : weights) {
    const auto end = next + weight->shape.numel();
    result[weight->name] = as_mask({next, end}, *weight);
    next = end;
  }
  return result;
}

Masks prune_by_quality(const std::vector<const Parameter*>& weights, double quality, const Masks& masks) {
  const auto magnitude = make_magnitude(0);
  Masks result = masks;
  for (const Parameter* weight : weights) {
    const std::vector<float> scores = surviving_scores(*weight, *magnitude, masks);
    const std::vector<float> values = weight->variable.value().to_vector<float>();
    double sum = 0, squares = 0, count = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(scores[i])) continue;
      sum += values[i];
      squares += static_cast<double>(values[i]) * values[i];
      ++count;
    }
    check(count > 0, "[prune] '{}' has no weights left", weight->name);
    const double threshold = quality * std::sqrt(std::max(0.0, squares / count - sum / count * sum / count));
    std::vector<uint8_t> keep(scores.size());
    std::ranges::transform(scores, keep.begin(), [&](float score) { return score >= threshold ? 1 : 0; });
    result[weight->name] = as_mask(std::move(keep), *weight);
  }
  return result;
}

double density_of(const Masks& masks, const std::vector<const Parameter*>& weights) {
  int64_t kept = 0, total = 0;
  for (const Parameter* weight : weights) {
    total += weight->shape.numel();
    const auto mask = masks.find(weight->name);
    kept += mask == masks.end() ? weight->shape.numel()
                                : std::ranges::count(mask->second.to_vector<uint8_t>(), 1);
  }
  return total == 0 ? 1.0 : static_cast<double>(kept) / static_cast<double>(total);
}

const std::vector<std::string>& density_schedules() {
  static const std::vector<std::string> kSchedules = {"one_shot", "linear", "cubic"};
  return kSchedules;
}

double density_at(const std::string& schedule, double from, double to, int64_t round, int64_t rounds) {
  const double left = 1 - static_cast<double>(round) / static_cast<double>(rounds);
  if (schedule == "one_shot") return to;
  if (schedule == "linear") return to + (from - to) * left;
  if (schedule == "cubic") return to + (from - to) * left * left * left;
  fail("[prune] unknown schedule '{}'; the schedules are {}", schedule, fmt::join(density_schedules(), ", "));
}

}  // namespace espalier::pruning
