#include "pruning/surgery.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "core/error.h"

namespace espalier::pruning {
namespace {

using layers::ChannelFlow;
using layers::Network;
using nlohmann::json;

// The description of `network` on the channels that stay; layers of `biased` get a bias.
Network rewrite(const Network& network, const RemovedChannels& removed, const std::set<size_t>& biased = {}) {
  const auto& nodes = network.nodes();
  Network result(network.name(), network.image());
  std::vector<std::vector<int64_t>> kept;
  const auto kept_of = [&](int node) {
    return node < 0 ? removed.kept(-1) : kept[static_cast<size_t>(node)];
  };
  for (size_t n = 0; n < nodes.size(); ++n) {
    const auto& node = nodes[n];
    kept.push_back(removed.kept(static_cast<int>(n)));
    const std::vector<Shape> shapes = network.input_shapes(node);
    layers::KeptChannels channels{.inputs = {}, .output = kept.back()};
    bool fewer = std::ssize(kept.back()) < node.output.columns();
    std::vector<std::string> inputs;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const int input = node.inputs[i];
      channels.inputs.push_back(kept_of(input));
      fewer = fewer || std::ssize(channels.inputs.back()) < shapes[i].columns();
      inputs.push_back(input < 0 ? "input" : nodes[static_cast<size_t>(input)].layer->name());
    }
    json attributes = node.attributes;
    if (fewer) node.layer->restrict(attributes, channels);
    if (biased.contains(n)) attributes["bias"] = true;
    result.add(node.type, node.layer->name(), attributes, inputs);
  }
  if (network.normalisation()) result.set_normalisation(*network.normalisation());
  if (!network.labels().empty()) result.set_labels(network.labels());
  return result;
}

// What the removed channels add to a layer's output, by output channel: away from the border, and the largest
// difference to that at the border.
struct Addition {
  std::vector<float> values, errors;
};
Addition addition_of(Network& network, size_t n, const Tensor& held) {
  const auto& node = network.nodes()[n];
  json attributes = node.attributes;
  attributes["bias"] = false;
  const std::vector<Shape> shapes = network.input_shapes(node);
  const auto weights_alone = layers::make_layer(node.type, node.layer->name(), attributes, shapes);
  weights_alone->parameters()[0].variable = node.layer->parameters()[0].variable;
  const NoGradient no_gradient;
  const std::vector<Variable> inputs{Variable(held)};
  const Tensor map = weights_alone->forward(inputs, {}).value();
  const std::vector<float> added = map.to_vector<float>();
  const auto columns = static_cast<size_t>(map.shape().columns());
  const int64_t width = map.shape().rank() == 4 ? map.shape()[2] : 1;
  const auto middle = static_cast<size_t>(map.shape().rows() / width / 2 * width + width / 2);
  Addition result{.values = {added.begin() + static_cast<std::ptrdiff_t>(middle * columns),
                             added.begin() + static_cast<std::ptrdiff_t>((middle + 1) * columns)},
                  .errors = std::vector<float>(columns, 0.0f)};
  for (size_t e = 0; e < added.size(); ++e) {
    const float value = result.values[e % columns], error = std::abs(added[e] - value);
    // The same sum may be rounded in another order at another place.
    if (error > 1e-5f * std::abs(value))
      result.errors[e % columns] = std::max(result.errors[e % columns], error);
  }
  return result;
}

// Adds what was folded to its tensor of `state`, made of zeros where it is missing.
void add_to(std::map<std::string, Tensor>& state, const FoldedConstant& folded, Device device) {
  Tensor& tensor = state[folded.tensor];
  std::vector<float> sums =
      tensor.defined() ? tensor.to_vector<float>() : std::vector<float>(folded.added.size(), 0.0f);
  std::ranges::transform(sums, folded.added, sums.begin(), std::plus<>());
  tensor = Tensor::from(sums, {std::ssize(sums)}, device);
}

const layers::Layer* sole_reader_if_norm(const Network& network, size_t n) {
  const layers::Layer* norm = nullptr;
  int readers = 0;
  for (const auto& node : network.nodes())
    for (int input : node.inputs)
      if (input == static_cast<int>(n)) {
        ++readers;
        norm = node.type == "batch_norm" ? node.layer.get() : nullptr;
      }
  return readers == 1 ? norm : nullptr;
}

}  // namespace

Network without_channels(const Network& network, const Removal& removal) {
  const ChannelGraph graph(network);
  return rewrite(network, RemovedChannels(graph, removal));
}

Surgery remove_channels(Network& network, const Removal& removal, Shifts shifts) {
  std::map<std::string, Tensor> state = network.state();
  const ChannelGraph graph(network);
  const RemovedChannels removed(graph, removal);
  const SilentChannels silent = silent_channels(network, graph, removed, shifts);
  const Restriction restriction(network, removed);
  SurgeryReport report{.removed = removed.removal(), .folded = {}, .random = silent.random};
  state = restriction(state);
  std::set<size_t> biased;
  for (size_t n = 0; n < network.nodes().size(); ++n) {
    const auto& node = network.nodes()[n];
    const auto axes = node.layer->channel_flow(network.input_shapes(node)).axes;
    if (std::ranges::find(axes, ChannelFlow::Side::input, &ChannelFlow::Axis::side) == axes.end()) continue;
    if (node.inputs[0] < 0 || !silent.values[static_cast<size_t>(node.inputs[0])].defined()) continue;
    const Tensor& held = silent.values[static_cast<size_t>(node.inputs[0])];
    const Addition addition = addition_of(network, n, held);
    const std::vector<int64_t> kept = removed.kept(static_cast<int>(n));
    FoldedConstant folded{.layer = node.layer->name(), .tensor = node.layer->name() + ".bias"};
    for (int64_t c : kept) {
      folded.added.push_back(addition.values[static_cast<size_t>(c)]);
      folded.largest = std::max<double>(folded.largest, std::abs(folded.added.back()));
      folded.error = std::max<double>(folded.error, addition.errors[static_cast<size_t>(c)]);
    }
    // A batch norm takes its mean away again: in training of the batch, in evaluation the running one.
    const layers::Layer* norm = sole_reader_if_norm(network, n);
    if (!state.contains(folded.tensor) && norm != nullptr) {
      folded.tensor = norm->name() + ".running_mean";
      for (float& value : folded.added) value = -value;
    } else if (!state.contains(folded.tensor)) {
      biased.insert(n);
    }
    add_to(state, folded, held.device());
    report.folded.push_back(std::move(folded));
  }
  Network result = rewrite(network, removed, biased);
  const Device device = state.empty() ? Device::cpu : state.begin()->second.device();
  result.load_state(state, device, "[surgery]");
  return {std::move(result), restriction, std::move(report)};
}

ModelSurgery prune_channels(Model& model, const Removal& removal, Shifts shifts) {
  Surgery surgery = remove_channels(model.network, removal, shifts);
  for (const FoldedConstant& folded : surgery.report.folded)
    check(!model.masks.contains(folded.tensor) && !model.codebooks.contains(folded.tensor),
          "[surgery] '{}' has a mask or a codebook, which what the removed channels hold cannot be added to",
          folded.tensor);
  std::map<std::string, Tensor> masks = surgery.restriction(model.masks);
  std::map<std::string, Codebook> codebooks = model.codebooks;
  for (auto& [name, codebook] : codebooks) codebook.codes = surgery.restriction(name, codebook.codes);
  model.network = std::move(surgery.network);
  model.masks = std::move(masks);
  model.codebooks = std::move(codebooks);
  return {std::move(surgery.restriction), std::move(surgery.report)};
}

std::map<std::string, Tensor> follow_averages(const ModelSurgery& surgery,
                                              const std::map<std::string, Tensor>& averages) {
  std::map<std::string, Tensor> result = surgery.restriction(averages);
  const Device device = averages.empty() ? Device::cpu : averages.begin()->second.device();
  for (const FoldedConstant& folded : surgery.report.folded) add_to(result, folded, device);
  return result;
}

}  // namespace espalier::pruning
