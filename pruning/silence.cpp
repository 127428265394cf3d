#include "pruning/silence.h"

#include <algorithm>

namespace espalier::pruning {
namespace {

using layers::ChannelFlow;
using layers::Network;

bool any(const std::vector<char>& flags) {
  return std::ranges::find(flags, 1) != flags.end();
}

bool is_zero(const std::vector<float>& values) {
  return std::ranges::all_of(values, [](float value) { return value == 0; });
}

// The parameter of this kind that has an element for each output channel, if there is one.
const Parameter* made_by(const layers::Layer& layer, const ChannelFlow& flow, ParameterKind kind) {
  for (const Parameter& parameter : layer.parameters())
    for (const auto& axis : flow.axes)
      if (axis.side == ChannelFlow::Side::output && axis.tensor == parameter.name && parameter.kind == kind)
        return &parameter;
  return nullptr;
}

bool makes_channels(const layers::Layer& layer, const ChannelFlow& flow) {
  return made_by(layer, flow, ParameterKind::weight) != nullptr ||
         made_by(layer, flow, ParameterKind::norm_scale) != nullptr;
}

// The walk from the first node to the last.
class Walk {
 public:
  Walk(Network& network, const ChannelGraph& graph, const RemovedChannels& removed, Shifts shifts)
      : network_(network), graph_(graph), removed_(removed), shifts_(shifts) {
    const size_t count = network.nodes().size();
    const auto parameters = network.parameters();
    if (!parameters.empty()) device_ = parameters.front()->variable.value().device();
    result_ = {.known = std::vector<std::vector<char>>(count), .values = std::vector<Tensor>(count)};
  }

  SilentChannels operator()() {
    const NoGradient no_gradient;
    for (size_t n = 0; n < network_.nodes().size(); ++n) {
      const auto& node = network_.nodes()[n];
      std::vector<char>& known = result_.known[n];
      for (int64_t c = 0; c < graph_.channels(static_cast<int>(n)); ++c)
        known.push_back(removed_.contains(static_cast<int>(n), c) ? 1 : 0);
      if (!any(known)) continue;
      const ChannelFlow flow = node.layer->channel_flow(network_.input_shapes(node));
      if (makes_channels(*node.layer, flow))
        hold_shifts(n, flow);
      else
        pass_on(n, flow);
    }
    return std::move(result_);
  }

 private:
  void hold_shifts(size_t n, const ChannelFlow& flow) {
    const auto& node = network_.nodes()[n];
    const Parameter* shift = made_by(*node.layer, flow, ParameterKind::norm_shift);
    if (shift == nullptr) shift = made_by(*node.layer, flow, ParameterKind::bias);
    if (shifts_ == Shifts::zero || shift == nullptr) return;
    const std::vector<float> held = shift->variable.value().to_vector<float>();
    put(n, [&](size_t channel, size_t) { return held[channel]; });
  }

  void pass_on(size_t n, const ChannelFlow& flow) {
    const auto& node = network_.nodes()[n];
    std::vector<char>& known = result_.known[n];
    for (const auto* links : {&flow.tied, &flow.chosen})
      for (const auto& link : *links) {
        const int from = node.inputs[static_cast<size_t>(link.input)];
        if (from < 0 || result_.known[static_cast<size_t>(from)][static_cast<size_t>(link.channel)] == 0)
          known[static_cast<size_t>(link.output)] = 0;
      }
    if (!any(known)) return;
    const std::vector<Shape> shapes = network_.input_shapes(node);
    std::vector<Variable> inputs;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const int from = node.inputs[i];
      const Tensor* values = from < 0 ? nullptr : &result_.values[static_cast<size_t>(from)];
      inputs.emplace_back(values != nullptr && values->defined()
                              ? *values
                              : Tensor::zeros(shapes[i], DType::float32, device_));
    }
    const auto outputs = [&](bool training) {
      return node.layer->forward(inputs, {.training = training}).value().to_vector<float>();
    };
    const std::vector<float> evaluated = outputs(false);
    put(n, [&](size_t, size_t element) { return evaluated[element]; });
    if (result_.values[n].defined() && outputs(true) != evaluated)
      result_.random.push_back(node.layer->name());
  }

  // Sets the known channels of node n to value(channel, element).
  template <typename Value>
  void put(size_t n, const Value& value) {
    const std::vector<char>& known = result_.known[n];
    const Shape& shape = network_.nodes()[n].output;
    std::vector<float> values(static_cast<size_t>(shape.numel()), 0.0f);
    for (size_t e = 0; e < values.size(); ++e)
      if (known[e % known.size()] != 0) values[e] = value(e % known.size(), e);
    if (is_zero(values)) return;
    result_.values[n] = Tensor::from(values, shape, device_);
  }

  Network& network_;
  const ChannelGraph& graph_;
  const RemovedChannels& removed_;
  Shifts shifts_;
  Device device_ = Device::cpu;
  SilentChannels result_;
};

// Sets to zero the elements of `mask` at these indices along an axis.
void clear(std::vector<uint8_t>& mask, const Shape& shape, int axis, std::span<const int> indices) {
  size_t inner = 1;
  for (int i = axis + 1; i < shape.rank(); ++i) inner *= static_cast<size_t>(shape[i]);
  const size_t stride = inner * static_cast<size_t>(shape[axis]);
  for (size_t block = 0; block < mask.size(); block += stride)
    for (int index : indices) {
      const auto first =
          mask.begin() + static_cast<std::ptrdiff_t>(block + static_cast<size_t>(index) * inner);
      std::fill(first, first + static_cast<std::ptrdiff_t>(inner), uint8_t{0});
    }
}

}  // namespace

SilentChannels silent_channels(Network& network, const ChannelGraph& graph, const RemovedChannels& removed,
                               Shifts shifts) {
  return Walk(network, graph, removed, shifts)();
}

std::map<std::string, Tensor> silencing_masks(Network& network, const ChannelGraph& graph,
                                              const RemovedChannels& removed, Shifts shifts) {
  const SilentChannels silent = silent_channels(network, graph, removed, shifts);
  std::map<std::string, Tensor> result;
  for (size_t n = 0; n < network.nodes().size(); ++n) {
    const auto& node = network.nodes()[n];
    const ChannelFlow flow = node.layer->channel_flow(network.input_shapes(node));
    for (const Parameter& parameter : node.layer->parameters()) {
      std::vector<uint8_t> mask(static_cast<size_t>(parameter.shape.numel()), 1);
      for (const auto& axis : flow.axes) {
        if (axis.tensor != parameter.name) continue;
        const bool shift =
            parameter.kind == ParameterKind::bias || parameter.kind == ParameterKind::norm_shift;
        const bool reads = axis.side == ChannelFlow::Side::input;
        if (shift && shifts == Shifts::keep) continue;
        const int source = reads ? node.inputs[0] : static_cast<int>(n);
        std::vector<int> indices;
        for (int64_t c = 0; c < graph.channels(source); ++c)
          if (removed.contains(source, c) &&
              !(reads && silent.known[static_cast<size_t>(source)][static_cast<size_t>(c)] != 0))
            indices.push_back(static_cast<int>(c % parameter.shape[axis.axis]));
        clear(mask, parameter.shape, axis.axis, indices);
      }
      if (std::ranges::find(mask, 0) != mask.end())
        result[parameter.name] = Tensor::from(mask, parameter.shape, parameter.variable.value().device());
    }
  }
  return result;
}

}  // namespace espalier::pruning
