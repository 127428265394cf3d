#include "interchange/onnx.h"

#include <algorithm>

#include "core/error.h"
#include "core/io/file.h"
#include "interchange/mapping.h"
#include "interchange/onnx/graph.h"

namespace espalier::interchange {
namespace {

using layers::Network;

constexpr int kIrVersion = 7;  // of ONNX 1.8, as is the operator set
constexpr int kOperatorSet = 13;
constexpr int64_t kLargestWeights = (int64_t{1} << 31) - (1 << 20);  // leaves a mebibyte for the graph

void check_size(const Network& network) {
  int64_t bytes = 0;
  for (const auto& node : network.nodes()) {
    for (const Parameter& parameter : node.layer->parameters()) bytes += 4 * parameter.shape.numel();
    for (const layers::Buffer& buffer : node.layer->buffers()) bytes += 4 * buffer.shape.numel();
  }
  check(bytes <= kLargestWeights, "[onnx] '{}' has {} bytes of weights; protobuf files hold at most {}",
        network.name(), bytes, kLargestWeights);
}

void describe(onnx::ValueInfoProto& value, const std::string& name, std::span<const int64_t> extents) {
  value.set_name(name);
  onnx::TypeProto::Tensor& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const int64_t extent : extents) type.mutable_shape()->add_dim()->set_dim_value(extent);
}

const OnnxTranslator& translator(const Network::Node& node) {
  const auto rows = onnx_translators();
  const auto row = std::ranges::find(rows, node.type, &OnnxTranslator::type);
  check(row != rows.end(), "[onnx] layer '{}' is a {}, which is not translated", node.layer->name(),
        node.type);
  return *row;
}

void translate(Network& network, onnx::GraphProto& target) {
  OnnxGraph graph(target);
  for (const auto& [name, tensor] : torch_state(network)) graph.constant(name, tensor);
  const auto& nodes = network.nodes();
  // The suffix keeps a layer's output apart from the ends of the graph, whatever the layer is called.
  const auto value = [&](int index) {
    if (index < 0) return std::string("input");
    const auto at = static_cast<size_t>(index);
    return at + 1 == nodes.size() ? std::string("logits") : nodes[at].layer->name() + "_output";
  };
  const Shape& image = network.image();
  for (size_t index = 0; index < nodes.size(); ++index) {
    const Network::Node& node = nodes[index];
    const int first = node.inputs.front();
    OnnxLayer layer{.node = node,
                    .input = first < 0 ? Shape{1, image[0], image[1], image[2]}
                                       : nodes[static_cast<size_t>(first)].output,
                    .inputs = {},
                    .output = value(static_cast<int>(index))};
    for (const int input : node.inputs) layer.inputs.push_back(value(input));
    translator(node).translate(graph, layer);
  }
}

}  // namespace

void write_onnx(const std::filesystem::path& path, Network& network) {
  check_size(network);
  const int64_t classes = network.classes();
  check(
      !ends_in_flattened_image(network),
      "[onnx] '{}' ends in a flattened image, whose elements ONNX would order differently; expected a layer "
      "such as linear after it",
      network.name());
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("espalier");
  model.add_opset_import()->set_version(kOperatorSet);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name(network.name());
  const Shape& image = network.image();
  describe(*graph.add_input(), "input", std::array{image[2], image[0], image[1]});
  describe(*graph.add_output(), "logits", std::array{classes});
  translate(network, graph);
  std::string bytes;
  check(model.SerializeToString(&bytes), "[onnx] '{}' takes {} bytes, more than protobuf can write",
        network.name(), model.ByteSizeLong());
  write_file(path, bytes);
}

}  // namespace espalier::interchange
