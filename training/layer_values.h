#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "layers/network.h"

namespace espalier {

// The weight of a convolution or linear layer and what a stage sets for it.
template <typename T>
struct WeightValue {
  const Parameter* weight = nullptr;
  T value{};
};

// Every weight of the network with its layer's entry in `by_layer`, or `fallback` where there is none. Throws
// Error, naming `stage`, for an entry that no layer with a weight answers to.
template <typename T>
std::vector<WeightValue<T>> weight_values(const layers::Network& network, std::map<std::string, T> by_layer,
                                          T fallback, const std::string& stage) {
  std::vector<WeightValue<T>> result;
  for (const auto& node : network.nodes()) {
    for (const Parameter& parameter : node.layer->parameters()) {
      if (parameter.kind != ParameterKind::weight) continue;
      const auto own = by_layer.find(node.layer->name());
      result.push_back({&parameter, own == by_layer.end() ? fallback : own->second});
      if (own != by_layer.end()) by_layer.erase(own);
    }
  }
  check(by_layer.empty(), "[{}] network '{}' has no weights in a layer named '{}'", stage, network.name(),
        by_layer.empty() ? "" : by_layer.begin()->first);
  return result;
}

}  // namespace espalier
