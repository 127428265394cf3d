#include "interchange/onnx/graph.h"

namespace espalier::interchange {

onnx::AttributeProto& OnnxNode::add(const std::string& attribute, onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& added = *node_.add_attribute();
  added.set_name(attribute);
  added.set_type(type);
  return added;
}

OnnxNode& OnnxNode::set(const std::string& attribute, int64_t value) {
  add(attribute, onnx::AttributeProto::INT).set_i(value);
  return *this;
}

OnnxNode& OnnxNode::set(const std::string& attribute, float value) {
  add(attribute, onnx::AttributeProto::FLOAT).set_f(value);
  return *this;
}

OnnxNode& OnnxNode::set(const std::string& attribute, std::span<const int64_t> values) {
  add(attribute, onnx::AttributeProto::INTS).mutable_ints()->Add(values.begin(), values.end());
  return *this;
}

OnnxNode OnnxGraph::add(const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output) {
  onnx::NodeProto& node = *graph_.add_node();
  node.set_op_type(op);
  node.set_name(output);
  node.mutable_input()->Add(inputs.begin(), inputs.end());
  node.add_output(output);
  return OnnxNode(node);
}

std::string OnnxGraph::constant(const std::string& name, const Tensor& value) {
  onnx::TensorProto& constant = *graph_.add_initializer();
  constant.set_name(name);
  constant.set_data_type(onnx::TensorProto::FLOAT);
  constant.mutable_dims()->Add(value.shape().begin(), value.shape().end());
  // raw_data is little-endian, as the host is.
  constant.set_raw_data(value.data<float>(), static_cast<size_t>(value.numel()) * sizeof(float));
  return name;
}

std::string OnnxGraph::constant(const std::string& name, float scalar) {
  onnx::TensorProto& constant = *graph_.add_initializer();
  constant.set_name(name);
  constant.set_data_type(onnx::TensorProto::FLOAT);
  constant.add_float_data(scalar);
  return name;
}

std::string OnnxGraph::constant(const std::string& name, std::span<const int64_t> values) {
  onnx::TensorProto& constant = *graph_.add_initializer();
  constant.set_name(name);
  constant.set_data_type(onnx::TensorProto::INT64);
  constant.add_dims(static_cast<int64_t>(values.size()));
  constant.mutable_int64_data()->Add(values.begin(), values.end());
  return name;
}

}  // namespace espalier::interchange
