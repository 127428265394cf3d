#include "layers/network.h"

#include <utility>

#include "core/error.h"
#include "core/io/json.h"
#include "core/profile.h"
#include "layers/fusion.h"

namespace espalier::layers {

using nlohmann::json;

namespace {

constexpr size_t kMaxLayers = 10'000;
constexpr int64_t kMaxActivation = int64_t{1} << 28;  // elements of one image's activation
constexpr int64_t kMaxParameters = int64_t{1} << 33;

// A description is JSON, which is UTF-8.
bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(json(text).dump());
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace

Network::Network(std::string name, Shape image) : name_(std::move(name)), image_(image) {
  check(image.rank() == 3 && image.numel() > 0 && image.numel() <= kMaxActivation,
        "[network] image shape {}; expected (H, W, C), none of them 0, at most {} elements",
        image.to_string(), kMaxActivation);
}

int Network::index_of(const std::string& name) const {
  if (name == "input") return -1;
  const auto found = index_.find(name);
  check(found != index_.end(), "[network] '{}' is not the name of an earlier layer", name);
  return found->second;
}

std::vector<Shape> Network::input_shapes(const Node& node) const {
  std::vector<Shape> shapes;
  for (int input : node.inputs)
    shapes.push_back(input < 0 ? Shape{1, image_[0], image_[1], image_[2]}
                               : nodes_[static_cast<size_t>(input)].output);
  return shapes;
}

void Network::add(const std::string& type, const std::string& name, const json& attributes,
                  const std::vector<std::string>& inputs) {
  check(!name.empty() && name != "input" && !index_.contains(name),
        "[network] layer name '{}' is empty, reserved or taken", name);
  check(nodes_.size() < kMaxLayers, "[network] more than {} layers", kMaxLayers);
  Node node{.type = type, .attributes = attributes, .layer = nullptr, .inputs = {}, .output = {}};
  if (inputs.empty()) node.inputs.push_back(static_cast<int>(nodes_.size()) - 1);
  for (const std::string& input : inputs) node.inputs.push_back(index_of(input));
  const std::vector<Shape> shapes = input_shapes(node);
  node.layer = make_layer(type, name, attributes, shapes);
  node.output = node.layer->output_shape(shapes);
  check(node.output.numel() > 0 && node.output.numel() <= kMaxActivation,
        "[network] layer '{}' puts out {}; expected 1 to {} elements per image", name,
        node.output.to_string(), kMaxActivation);
  index_[name] = static_cast<int>(nodes_.size());
  nodes_.push_back(std::move(node));
  steps_ = {};
  check(parameter_count() <= kMaxParameters, "[network] more than {} parameters with layer '{}'",
        kMaxParameters, name);
  ready_ = false;
}

int64_t Network::classes() const {
  check(!nodes_.empty() && nodes_.back().output.rank() == 2,
        "[network] '{}' does not end in a vector per image", name_);
  return nodes_.back().output[1];
}

void Network::set_normalisation(Normalisation normalisation) {
  check_normalisation(normalisation, image_[2], "[network] normalisation");
  normalisation_ = std::move(normalisation);
}

void Network::set_labels(std::vector<std::string> labels) {
  check(static_cast<int64_t>(labels.size()) == classes(), "[network] {} labels for {} classes", labels.size(),
        classes());
  for (size_t i = 0; i < labels.size(); ++i) check(is_utf8(labels[i]), "[network] label {} is not UTF-8", i);
  labels_ = std::move(labels);
}

Variable Network::forward(const Variable& images, const ForwardContext& context) {
  check(!nodes_.empty(), "[network] '{}' has no layers", name_);
  check(ready(), "[network] '{}' has no weights yet: initialise or load it", name_);
  const Shape& shape = images.shape();
  check(shape.rank() == 4 && std::equal(image_.begin(), image_.end(), shape.begin() + 1),
        "[network] '{}' takes images (N, {}, {}, {}); these are {}", name_, image_[0], image_[1], image_[2],
        shape);
  const bool fuse = context.fuse && context.outputs == nullptr;
  const std::vector<Step> plain = fuse ? std::vector<Step>() : one_by_one(nodes_);
  const std::vector<Step>& order = fuse ? steps(context.training || recording()) : plain;
  // An output is let go after its last reader, so that evaluation holds few activations.
  std::vector<size_t> last_reader(nodes_.size(), 0);
  for (size_t i = 0; i < order.size(); ++i)
    for (int input : order[i].inputs)
      if (input >= 0) last_reader[static_cast<size_t>(input)] = i;
  std::vector<Variable> outputs(nodes_.size());
  std::vector<Variable> inputs;
  for (size_t i = 0; i < order.size(); ++i) {
    const Step& step = order[i];
    inputs.clear();
    for (int input : step.inputs) inputs.push_back(input < 0 ? images : outputs[static_cast<size_t>(input)]);
    outputs[step.output()] = forward(step, std::move(inputs), context);
    if (context.outputs != nullptr)
      if (const auto kept = context.outputs->find(static_cast<int>(step.layer));
          kept != context.outputs->end())
        kept->second = outputs[step.layer];
    for (int input : step.inputs)
      if (input >= 0 && last_reader[static_cast<size_t>(input)] == i)
        outputs[static_cast<size_t>(input)] = Variable();
  }
  return outputs.back();
}

Variable Network::forward(const Step& step, std::vector<Variable> inputs, const ForwardContext& context) {
  Layer& layer = *nodes_[step.layer].layer;
  const profile::LayerScope scope(context.training ? "forward" : "inference", nodes_[step.layer].type,
                                  layer.name());
  if (!layer.takes_tail()) return layer.forward(inputs, context);
  ops::Tail tail{.precedes_batch_norm = context.training && step.precedes_batch_norm};
  if (step.has_residual) {
    tail.residual = std::move(inputs.back());
    inputs.pop_back();
  }
  for (size_t part : step.tail) nodes_[part].layer->extend(tail);
  return layer.forward(inputs, context, tail);
}

const std::vector<Network::Step>& Network::steps(bool differentiable) {
  std::vector<Step>& steps = steps_[differentiable ? 1 : 0];
  if (steps.empty()) steps = fuse(nodes_, differentiable);
  return steps;
}

std::vector<Parameter*> Network::parameters() {
  std::vector<Parameter*> result;
  for (Node& node : nodes_)
    for (Parameter& parameter : node.layer->parameters()) result.push_back(&parameter);
  return result;
}

Parameter& Network::parameter(const std::string& name) {
  for (Parameter* parameter : parameters())
    if (parameter->name == name) return *parameter;
  fail("[network] '{}' has no parameter '{}'", name_, name);
}

int64_t Network::parameter_count() const {
  int64_t count = 0;
  for (const Node& node : nodes_)
    for (const Parameter& parameter : node.layer->parameters()) count += parameter.shape.numel();
  return count;
}

int64_t Network::flops(const Node& node) const {
  return node.layer->flops(input_shapes(node));
}

int64_t Network::flops() const {
  int64_t count = 0;
  for (const Node& node : nodes_) count += flops(node);
  return count;
}

void Network::initialise(Initialiser initialiser, uint64_t seed, Device device) {
  for (Node& node : nodes_) {
    for (Parameter& parameter : node.layer->parameters())
      parameter.variable = Variable(initial_value(parameter, initialiser, seed).to(device), true);
    for (Buffer& buffer : node.layer->buffers())
      buffer.tensor = Tensor::full(buffer.shape, buffer.initial, DType::float32, device);
  }
  ready_ = true;
}

std::map<std::string, Tensor> Network::state() {
  check(ready(), "[network] '{}' has no weights yet: initialise or load it", name_);
  std::map<std::string, Tensor> result;
  for (Node& node : nodes_) {
    for (Parameter& parameter : node.layer->parameters()) result[parameter.name] = parameter.variable.value();
    for (Buffer& buffer : node.layer->buffers()) result[buffer.name] = buffer.tensor;
  }
  return result;
}

void Network::load_state(const std::map<std::string, Tensor>& state, Device device,
                         const std::string& origin) {
  std::map<std::string, Shape> due;
  for (const Node& node : nodes_) {
    for (const Parameter& parameter : node.layer->parameters()) due[parameter.name] = parameter.shape;
    for (const Buffer& buffer : node.layer->buffers()) due[buffer.name] = buffer.shape;
  }
  std::vector<std::string> faults;
  for (const auto& [name, shape] : due) {
    const auto found = state.find(name);
    if (found == state.end())
      faults.push_back(fmt::format("'{}' is missing", name));
    else if (found->second.shape() != shape || found->second.dtype() != DType::float32)
      faults.push_back(fmt::format("'{}' is {} {}; expected float32 {}", name,
                                   espalier::name(found->second.dtype()), found->second.shape().to_string(),
                                   shape.to_string()));
  }
  for (const auto& [name, tensor] : state)
    if (!due.contains(name)) faults.push_back(fmt::format("'{}' is not a tensor of the network", name));
  check(faults.empty(), "{}: the tensors do not fit network '{}': {}", origin, name_,
        fmt::join(faults, "; "));

  const auto copy_of = [&](const std::string& name) {
    Tensor copy(due.at(name), DType::float32, device);
    copy.copy_from(state.at(name));
    return copy;
  };
  for (Node& node : nodes_) {
    for (Parameter& parameter : node.layer->parameters())
      parameter.variable = Variable(copy_of(parameter.name), true);
    for (Buffer& buffer : node.layer->buffers()) buffer.tensor = copy_of(buffer.name);
  }
  ready_ = true;
}

std::string Network::description() const {
  json layers = json::array();
  for (const Node& node : nodes_) {
    json inputs = json::array();
    for (int input : node.inputs)
      inputs.push_back(input < 0 ? "input" : nodes_[static_cast<size_t>(input)].layer->name());
    json layer = {{"name", node.layer->name()}, {"type", node.type}, {"inputs", inputs}};
    if (!node.attributes.empty()) layer["attributes"] = node.attributes;
    layers.push_back(std::move(layer));
  }
  json document = {{"name", name_}, {"input", {image_[0], image_[1], image_[2]}}, {"layers", layers}};
  if (normalisation_)
    document["normalisation"] = {{"mean", normalisation_->mean}, {"std", normalisation_->standard_deviation}};
  if (!labels_.empty()) document["labels"] = labels_;
  return document.dump();
}

Network Network::from_description(std::string_view text, const std::string& origin) {
  try {
    const json document = parse_json(text);
    const auto& input = document.at("input");
    check(input.is_array() && input.size() == 3,
          "[network] 'input' is {}; expected [height, width, channels]", input.dump());
    std::vector<int64_t> image;
    for (const json& extent : input) image.push_back(extent.get<int64_t>());
    Network network(document.at("name").get<std::string>(), Shape(image));
    for (const json& layer : document.at("layers"))
      network.add(layer.at("type").get<std::string>(), layer.at("name").get<std::string>(),
                  layer.value("attributes", json::object()),
                  layer.at("inputs").get<std::vector<std::string>>());
    static_cast<void>(network.classes());
    if (document.contains("normalisation")) {
      const json& normalisation = document.at("normalisation");
      network.set_normalisation({normalisation.at("mean").get<std::vector<double>>(),
                                 normalisation.at("std").get<std::vector<double>>()});
    }
    if (document.contains("labels"))
      network.set_labels(document.at("labels").get<std::vector<std::string>>());
    return network;
  } catch (const json::exception& error) {
    fail("{}: [network] malformed description: {}", origin, error.what());
  } catch (const Error& error) {
    fail("{}: {}", origin, error.what());
  }
}

}  // namespace espalier::layers
