#include <algorithm>
#include <array>
#include <numeric>

#include "interchange/onnx/graph.h"

// What each layer type is in ONNX. Attributes were checked when the layer was made; the fallbacks here are
// those of the layers.
namespace espalier::interchange {
namespace {

using Pair = std::array<int64_t, 2>;  // height, width

constexpr int kAny = 1 << 20;  // no bound that layers/ would not have held

Pair pair(layers::Attributes& attributes, const std::string& key, std::array<int, 2> fallback) {
  const auto values = attributes.pair(key, 0, kAny, fallback);
  return {values[0], values[1]};
}

// ONNX orders the begins of all axes before the ends.
std::array<int64_t, 4> pads(const Pair& begin, const Pair& end) {
  return {begin[0], begin[1], end[0], end[1]};
}

// The layer's inputs and then its parameters, and buffers, that exist.
std::vector<std::string> with_state(const OnnxLayer& layer) {
  std::vector<std::string> names = layer.inputs;
  for (const Parameter& parameter : layer.node.layer->parameters()) names.push_back(parameter.name);
  for (const layers::Buffer& buffer : layer.node.layer->buffers()) names.push_back(buffer.name);
  return names;
}

template <size_t length>
struct OpName {
  constexpr OpName(const char (&text)[length]) { std::copy_n(text, length, name); }
  char name[length];
};

// The layer is one operator without attributes.
template <OpName op>
void same(OnnxGraph& graph, const OnnxLayer& layer) {
  graph.add(op.name, layer.inputs, layer.output);
}

// … or one that works along the channels, ONNX's axis 1.
template <OpName op>
void along_channels(OnnxGraph& graph, const OnnxLayer& layer) {
  graph.add(op.name, layer.inputs, layer.output).set("axis", int64_t{1});
}

void conv2d(OnnxGraph& graph, const OnnxLayer& layer) {
  layers::Attributes attributes(layer.name(), layer.node.attributes);
  const Pair padding = pair(attributes, "padding", {0, 0});
  graph.add("Conv", with_state(layer), layer.output)
      .set("kernel_shape", pair(attributes, "kernel", {}))
      .set("strides", pair(attributes, "stride", {1, 1}))
      .set("pads", pads(padding, padding))
      .set("dilations", pair(attributes, "dilation", {1, 1}))
      .set("group", int64_t{attributes.integer("groups", 1, kAny, 1)});
}

void linear(OnnxGraph& graph, const OnnxLayer& layer) {
  graph.add("Gemm", with_state(layer), layer.output).set("transB", int64_t{1});
}

void batch_norm(OnnxGraph& graph, const OnnxLayer& layer) {
  layers::Attributes attributes(layer.name(), layer.node.attributes);
  graph.add("BatchNormalization", with_state(layer), layer.output)
      .set("epsilon", static_cast<float>(attributes.number("epsilon", 0, 1, 1e-5)));
}

void relu6(OnnxGraph& graph, const OnnxLayer& layer) {
  const std::string low = graph.constant(layer.name() + ".low", 0.0f);
  const std::string high = graph.constant(layer.name() + ".high", 6.0f);
  graph.add("Clip", {layer.inputs[0], low, high}, layer.output);
}

// Zeros before and after on each axis of (N, C, H, W) or (N, F).
void pad(OnnxGraph& graph, const OnnxLayer& layer, std::span<const int64_t> zeros,
         const std::string& output) {
  graph.add("Pad", {layer.inputs[0], graph.constant(layer.name() + ".zeros", zeros)}, output);
}

// Runtimes disagree about ceil_mode and about what count_include_pad counts under it, so neither is used: the
// sizes are known, hence the padding after the image that gives the last window its place. Windows reach into
// `pads` without counting them; padding that does count is added to the image first.
void pool2d(OnnxGraph& graph, const OnnxLayer& layer, const std::string& op) {
  layers::Attributes attributes(layer.name(), layer.node.attributes);
  const Pair kernel = pair(attributes, "kernel", {});
  const Pair stride = pair(attributes, "stride", {static_cast<int>(kernel[0]), static_cast<int>(kernel[1])});
  Pair begin = pair(attributes, "padding", {0, 0}), end = begin;
  for (const size_t axis : {0u, 1u}) {
    const int64_t in = layer.input[axis + 1], out = layer.node.output[axis + 1];
    end[axis] = std::max(end[axis], (out - 1) * stride[axis] + kernel[axis] - in - begin[axis]);
  }
  std::string input = layer.inputs[0];
  if (attributes.boolean("count_include_pad", false) && begin != Pair{0, 0}) {
    input = layer.name() + "_padded";
    pad(graph, layer, std::array<int64_t, 8>{0, 0, begin[0], begin[1], 0, 0, begin[0], begin[1]}, input);
    end = {end[0] - begin[0], end[1] - begin[1]};
    begin = {0, 0};
  }
  graph.add(op, {input}, layer.output)
      .set("kernel_shape", kernel)
      .set("strides", stride)
      .set("pads", pads(begin, end));
}

void max_pool2d(OnnxGraph& graph, const OnnxLayer& layer) {
  pool2d(graph, layer, "MaxPool");
}

void average_pool2d(OnnxGraph& graph, const OnnxLayer& layer) {
  pool2d(graph, layer, "AveragePool");
}

void global_average_pool2d(OnnxGraph& graph, const OnnxLayer& layer) {
  const std::string mean = layer.name() + "_mean";  // (N, C, 1, 1)
  graph.add("GlobalAveragePool", layer.inputs, mean);
  graph.add("Flatten", {mean}, layer.output);
}

void pad_channels(OnnxGraph& graph, const OnnxLayer& layer) {
  layers::Attributes attributes(layer.name(), layer.node.attributes);
  const auto rank = static_cast<size_t>(layer.input.rank());
  std::vector<int64_t> zeros(2 * rank, 0);
  zeros[1] = attributes.integer("before", 0, kAny);
  zeros[rank + 1] = attributes.integer("after", 0, kAny);
  pad(graph, layer, zeros, layer.output);
}

void select_channels(OnnxGraph& graph, const OnnxLayer& layer) {
  layers::Attributes attributes(layer.name(), layer.node.attributes);
  std::vector<int> all(static_cast<size_t>(layer.input.columns()));
  std::iota(all.begin(), all.end(), 0);
  const std::vector<int> some = attributes.indices("channels", static_cast<int>(all.size()), all);
  const std::vector<int64_t> channels(some.begin(), some.end());
  graph.add("Gather", {layer.inputs[0], graph.constant(layer.name() + ".channels", channels)}, layer.output)
      .set("axis", int64_t{1});
}

}  // namespace

std::span<const OnnxTranslator> onnx_translators() {
  static constexpr OnnxTranslator kTranslators[] = {
      {"conv2d", conv2d},
      {"linear", linear},
      {"batch_norm", batch_norm},
      {"relu", same<"Relu">},
      {"relu6", relu6},
      {"sigmoid", same<"Sigmoid">},
      {"tanh", same<"Tanh">},
      {"max_pool2d", max_pool2d},
      {"average_pool2d", average_pool2d},
      {"global_average_pool2d", global_average_pool2d},
      {"flatten", same<"Flatten">},
      {"dropout", same<"Identity">},
      {"add", same<"Add">},
      {"multiply", same<"Mul">},
      {"concat", along_channels<"Concat">},
      {"softmax", along_channels<"Softmax">},
      {"pad_channels", pad_channels},
      {"select_channels", select_channels},
  };
  return kTranslators;
}

}  // namespace espalier::interchange
