#include "core/ops.h"
#include "layers/types.h"

namespace espalier::layers {
namespace {

class Activation final : public Layer {
 public:
  Activation(Attributes& attributes, UnaryOp op) : Layer(attributes.layer()), op_(op) {}
  Shape output_shape(Shapes inputs) const override { return inputs[0]; }
  ChannelFlow channel_flow(Shapes inputs) const override { return channelwise(inputs); }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return ops::activation(op_, inputs[0]);
  }
  TailPart tail_part() const override {
    return op_ == UnaryOp::relu || op_ == UnaryOp::relu6 ? TailPart::activation : TailPart::none;
  }
  void extend(ops::Tail& tail) override { tail.activation = op_; }

 private:
  UnaryOp op_;
};

class Softmax final : public Layer {
 public:
  using Layer::Layer;
  Shape output_shape(Shapes inputs) const override { return inputs[0]; }
  ChannelFlow channel_flow(Shapes inputs) const override {
    ChannelFlow flow = channelwise(inputs);
    flow.whole = true;
    return flow;
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return ops::softmax(inputs[0]);
  }
};

}  // namespace

Made make_relu(Attributes& a, Shapes) {
  return std::make_unique<Activation>(a, UnaryOp::relu);
}
Made make_relu6(Attributes& a, Shapes) {
  return std::make_unique<Activation>(a, UnaryOp::relu6);
}
Made make_sigmoid(Attributes& a, Shapes) {
  return std::make_unique<Activation>(a, UnaryOp::sigmoid);
}
Made make_tanh(Attributes& a, Shapes) {
  return std::make_unique<Activation>(a, UnaryOp::tanh);
}
Made make_softmax(Attributes& a, Shapes) {
  return std::make_unique<Softmax>(a.layer());
}

}  // namespace espalier::layers
