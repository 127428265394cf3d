#include "layers/layer.h"

#include <algorithm>

#include "core/named_rows.h"

namespace espalier::layers {

Variable Layer::forward(std::span<const Variable>, const ForwardContext&, const ops::Tail&) {
  fail("[network] layer '{}' takes no tail", name_);
}

void Layer::add_parameter(std::string_view part, ParameterKind kind, Shape shape) {
  parameters_.push_back(
      {.name = fmt::format("{}.{}", name_, part), .kind = kind, .shape = shape, .variable = {}});
}

void Layer::add_buffer(std::string_view part, Shape shape, double initial) {
  buffers_.push_back(
      {.name = fmt::format("{}.{}", name_, part), .shape = shape, .initial = initial, .tensor = {}});
}

ChannelFlow channelwise(std::span<const Shape> inputs) {
  ChannelFlow flow;
  for (size_t i = 0; i < inputs.size(); ++i)
    for (int64_t c = 0; c < inputs[i].columns(); ++c) flow.tied.push_back({static_cast<int>(i), c, c});
  return flow;
}

std::unique_ptr<Layer> make_layer(const std::string& type, const std::string& name,
                                  const nlohmann::json& attributes, std::span<const Shape> inputs) {
  const auto types = layer_types();
  const auto row =
      std::find_if(types.begin(), types.end(), [&](const LayerType& each) { return each.name == type; });
  if (row == types.end())
    fail("[network] layer '{}' is of unknown type '{}'; the types are {}", name, type,
         fmt::join(names_of(types), ", "));
  check(row->inputs < 0 ? !inputs.empty() : inputs.size() == static_cast<size_t>(row->inputs),
        "[network] layer '{}' ({}) has {} inputs; expected {}", name, type, inputs.size(),
        row->inputs < 0 ? "at least 1" : std::to_string(row->inputs));
  Attributes reader(name, attributes);
  try {
    auto layer = row->make(reader, inputs);
    reader.finish();
    static_cast<void>(layer->output_shape(inputs));  // throws when the inputs do not fit
    return layer;
  } catch (const Error& error) {
    const std::string_view text = error.what();
    if (text.starts_with("[network]")) throw;
    fail("[network] layer '{}': {}", name, text);
  }
}

}  // namespace espalier::layers
