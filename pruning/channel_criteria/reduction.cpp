#include <algorithm>

#include "core/error.h"
#include "pruning/channel_criterion.h"

namespace espalier::pruning {

const std::vector<std::string>& reduction_names() {
  static const std::vector<std::string> kNames{"sum", "mean", "max", "producer"};
  return kNames;
}

Reduction reduction_from_name(std::string_view name) {
  const auto found = std::ranges::find(reduction_names(), name);
  check(found != reduction_names().end(), "[channels] unknown reduction '{}'; expected {}", name,
        fmt::join(reduction_names(), ", "));
  return static_cast<Reduction>(found - reduction_names().begin());
}

std::vector<float> reduce(const std::vector<std::vector<float>>& by_layer, Reduction reduction) {
  std::vector<float> result = by_layer.front();
  if (reduction == Reduction::producer) return result;
  for (size_t layer = 1; layer < by_layer.size(); ++layer)
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = reduction == Reduction::max ? std::max(result[i], by_layer[layer][i])
                                              : result[i] + by_layer[layer][i];
  if (reduction == Reduction::mean)
    for (float& score : result) score /= static_cast<float>(by_layer.size());
  return result;
}

}  // namespace espalier::pruning
