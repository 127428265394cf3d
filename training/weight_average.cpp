#include "training/weight_average.h"

#include <algorithm>
#include <utility>

#include "core/backend.h"
#include "core/error.h"

namespace espalier {

WeightAverage::WeightAverage(std::vector<Parameter> parameters, layers::Network& network, double decay)
    : decay_(decay), parameters_(std::move(parameters)) {
  const auto add = [&](const std::string& name, Tensor& tensor) {
    averages_.push_back({name, &tensor, tensor.clone()});
  };
  for (Parameter& parameter : parameters_) add(parameter.name, parameter.variable.value());
  for (const auto& node : network.nodes())
    for (layers::Buffer& buffer : node.layer->buffers()) add(buffer.name, buffer.tensor);
}

void WeightAverage::update(int64_t step) {
  const auto t = static_cast<double>(step);
  const double decay = std::min(decay_, (1 + t) / (10 + t));
  for (Average& each : averages_) each.average.backend().axpby(1 - decay, *each.current, decay, each.average);
}

void WeightAverage::swap() {
  for (Average& each : averages_) std::swap(each.average, *each.current);
}

void WeightAverage::apply_masks(const std::map<std::string, Tensor>& masks) {
  for (Average& each : averages_)
    if (const auto mask = masks.find(each.name); mask != masks.end())
      each.average.backend().apply_mask(each.average, mask->second);
}

std::map<std::string, Tensor> WeightAverage::state() const {
  std::map<std::string, Tensor> result;
  for (const Average& each : averages_) result[each.name] = each.average;
  return result;
}

void WeightAverage::load_state(const std::map<std::string, Tensor>& state) {
  for (Average& each : averages_) {
    const auto found = state.find(each.name);
    check(found != state.end(), "[train] the average of '{}' is missing", each.name);
    each.average.copy_from(found->second);
  }
}

}  // namespace espalier
