#include "core/ops.h"
#include "layers/types.h"

namespace espalier::layers {
namespace {

class Linear final : public Layer {
 public:
  Linear(Attributes& attributes, const Shape& input) : Layer(attributes.layer()) {
    const int features = attributes.integer("features", 1, kMaxChannels);
    bias_ = attributes.boolean("bias", true);
    check(input.rank() == 2, "input {} is not flat; expected (N, features): put a flatten before it",
          input.to_string());
    add_parameter("weight", ParameterKind::weight, {features, input[1]});
    if (bias_) add_parameter("bias", ParameterKind::bias, {features});
  }

  Shape output_shape(Shapes inputs) const override { return {inputs[0][0], parameters()[0].shape[0]}; }
  int64_t flops(Shapes inputs) const override { return inputs[0][0] * parameters()[0].shape.numel(); }
  ChannelFlow channel_flow(Shapes) const override {
    ChannelFlow flow;
    for (const Parameter& parameter : parameters())
      flow.axes.push_back({parameter.name, 0, ChannelFlow::Side::output});
    flow.axes.push_back({parameters()[0].name, 1, ChannelFlow::Side::input});
    return flow;
  }
  void restrict(nlohmann::json& attributes, const KeptChannels& kept) const override {
    attributes["features"] = kept.output.size();
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext& context) override {
    return forward(inputs, context, {});
  }
  bool takes_tail() const override { return true; }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&, const ops::Tail& tail) override {
    return ops::linear(inputs[0], parameters()[0].variable, bias_ ? parameters()[1].variable : Variable(),
                       tail);
  }

 private:
  bool bias_ = true;
};

}  // namespace

Made make_linear(Attributes& attributes, Shapes inputs) {
  return std::make_unique<Linear>(attributes, inputs[0]);
}

}  // namespace espalier::layers
