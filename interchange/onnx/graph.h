#pragma once

#include <onnx/onnx_pb.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "layers/network.h"

namespace espalier::interchange {

// One operator of an ONNX graph, to be given its attributes.
class OnnxNode {
 public:
  explicit OnnxNode(onnx::NodeProto& node) : node_(node) {}
  OnnxNode& set(const std::string& attribute, int64_t value);
  OnnxNode& set(const std::string& attribute, float value);
  OnnxNode& set(const std::string& attribute, std::span<const int64_t> values);

 private:
  onnx::AttributeProto& add(const std::string& attribute, onnx::AttributeProto::AttributeType type);
  onnx::NodeProto& node_;
};

// An ONNX graph under construction. Values and constants are known by name.
class OnnxGraph {
 public:
  explicit OnnxGraph(onnx::GraphProto& graph) : graph_(graph) {}

  OnnxNode add(const std::string& op, const std::vector<std::string>& inputs, const std::string& output);
  // A constant of the graph; returns its name.
  std::string constant(const std::string& name, const Tensor& value);  // float32, on the host
  std::string constant(const std::string& name, float scalar);
  std::string constant(const std::string& name, std::span<const int64_t> values);

 private:
  onnx::GraphProto& graph_;
};

// A layer as its translator sees it. Its parameters and buffers are constants of the graph under their own
// names.
struct OnnxLayer {
  const layers::Network::Node& node;
  Shape input;  // of the first input, for one image, in our layout: (1, H, W, C) or (1, F)
  std::vector<std::string> inputs;  // the values it reads
  std::string output;               // the value it must produce

  const std::string& name() const { return node.layer->name(); }
};

// Adds to the graph what computes the layer, in inference, on (N, C, H, W) or (N, F).
struct OnnxTranslator {
  std::string_view type;  // as in layers/registry.cpp
  void (*translate)(OnnxGraph& graph, const OnnxLayer& layer);
};
std::span<const OnnxTranslator> onnx_translators();

}  // namespace espalier::interchange
