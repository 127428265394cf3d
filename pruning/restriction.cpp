#include "pruning/restriction.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "training/shared_weights.h"

namespace espalier::pruning {
namespace {

using layers::ChannelFlow;

// The slices of a host tensor with these indices along an axis.
Tensor take(const Tensor& tensor, int axis, const std::vector<int64_t>& kept) {
  std::vector<int64_t> extents(tensor.shape().begin(), tensor.shape().end());
  const int64_t extent = tensor.shape()[axis];
  int64_t outer = 1;
  for (int i = 0; i < axis; ++i) outer *= extents[static_cast<size_t>(i)];
  extents[static_cast<size_t>(axis)] = std::ssize(kept);
  Tensor result(Shape(extents), tensor.dtype());
  const auto run = static_cast<size_t>(tensor.numel() / outer / extent) * item_size(tensor.dtype());
  const auto* from = static_cast<const std::byte*>(tensor.raw());
  auto* to = static_cast<std::byte*>(result.raw());
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t index : kept) {
      std::memcpy(to, from + static_cast<size_t>(i * extent + index) * run, run);
      to += run;
    }
  return result;
}

}  // namespace

RemovedChannels::RemovedChannels(const ChannelGraph& graph, const Removal& removal)
    : graph_(graph), removal_(graph.closure(removal)) {
  for (const ChannelGroup& group : graph.groups())
    removed_.emplace_back(static_cast<size_t>(group.channels), 0);
  for (const Candidate& each : removal_)
    removed_[static_cast<size_t>(each.group)][static_cast<size_t>(each.channel)] = 1;
}

std::vector<int64_t> RemovedChannels::kept(int node) const {
  std::vector<int64_t> result;
  for (int64_t c = 0; c < graph_.channels(node); ++c)
    if (!contains(node, c)) result.push_back(c);
  return result;
}

Restriction::Restriction(const layers::Network& network, const RemovedChannels& removed) {
  for (size_t n = 0; n < network.nodes().size(); ++n) {
    const auto& node = network.nodes()[n];
    for (const Parameter& parameter : node.layer->parameters())
      layouts_[parameter.name] = {parameter.shape, {}};
    for (const layers::Buffer& buffer : node.layer->buffers()) layouts_[buffer.name] = {buffer.shape, {}};
    for (const auto& axis : node.layer->channel_flow(network.input_shapes(node)).axes) {
      Layout& layout = layouts_.at(axis.tensor);
      const int64_t extent = layout.shape[axis.axis];
      std::vector<int64_t> kept =
          removed.kept(axis.side == ChannelFlow::Side::input ? node.inputs[0] : static_cast<int>(n));
      for (int64_t& channel : kept) channel %= extent;
      std::ranges::sort(kept);
      kept.erase(std::ranges::unique(kept).begin(), kept.end());
      if (std::ssize(kept) < extent) layout.axes.push_back({axis.axis, std::move(kept)});
    }
  }
}

Tensor Restriction::operator()(const std::string& name, const Tensor& tensor) const {
  const auto found = layouts_.find(name);
  check(found != layouts_.end(), "[surgery] '{}' is not a tensor of the network", name);
  const Layout& layout = found->second;
  check(tensor.shape() == layout.shape, "[surgery] what belongs to '{}' has shape {}; expected {}", name,
        tensor.shape().to_string(), layout.shape.to_string());
  if (layout.axes.empty()) return tensor;
  Tensor result = tensor.to(Device::cpu);
  for (const Axis& axis : layout.axes) result = take(result, axis.axis, axis.kept);
  return result.to(tensor.device());
}

std::map<std::string, Tensor> Restriction::operator()(const std::map<std::string, Tensor>& tensors) const {
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : tensors)
    result[name] = is_centroids(name) ? tensor : (*this)(name, tensor);
  return result;
}

bool Restriction::is_centroids(const std::string& name) const {
  return !layouts_.contains(name) && std::ranges::any_of(layouts_, [&](const auto& each) {
    return SharedWeights::centroids_of(each.first) == name;
  });
}

std::map<std::string, Tensor> Restriction::optimizer_state(const std::map<std::string, Tensor>& state) const {
  std::map<std::string, Tensor> result;
  for (const auto& [key, tensor] : state) {
    const std::string name = key.substr(key.find('/') + 1);
    result[key] = is_centroids(name) ? tensor : (*this)(name, tensor);
  }
  return result;
}

}  // namespace espalier::pruning
