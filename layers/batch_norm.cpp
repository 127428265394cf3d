#include "core/ops.h"
#include "layers/types.h"

namespace espalier::layers {
namespace {

class BatchNorm final : public Layer {
 public:
  BatchNorm(Attributes& attributes, const Shape& input) : Layer(attributes.layer()) {
    options_.momentum = attributes.number("momentum", 0, 1, 0.1);
    options_.epsilon = attributes.number("epsilon", 1e-12, 1, 1e-5);
    const Shape channels{input.columns()};
    add_parameter("weight", ParameterKind::norm_scale, channels);
    add_parameter("bias", ParameterKind::norm_shift, channels);
    add_buffer("running_mean", channels, 0.0);
    add_buffer("running_var", channels, 1.0);
  }

  Shape output_shape(Shapes inputs) const override { return inputs[0]; }
  ChannelFlow channel_flow(Shapes inputs) const override {
    ChannelFlow flow = channelwise(inputs);
    for (const Parameter& parameter : parameters())
      flow.axes.push_back({parameter.name, 0, ChannelFlow::Side::output});
    for (const Buffer& buffer : buffers()) flow.axes.push_back({buffer.name, 0, ChannelFlow::Side::output});
    return flow;
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext& context) override {
    return forward(inputs, context, {});
  }
  bool takes_tail() const override { return true; }
  Variable forward(std::span<const Variable> inputs, const ForwardContext& context,
                   const ops::Tail& tail) override {
    ops::BatchNormState state = running();
    return ops::batch_norm(inputs[0], parameters()[0].variable, parameters()[1].variable, state,
                           context.training, options_, tail);
  }
  TailPart tail_part() const override { return TailPart::affine; }
  void extend(ops::Tail& tail) override {
    const ops::Tail own =
        ops::batch_norm_tail(parameters()[0].variable, parameters()[1].variable, running(), options_);
    tail.factor = own.factor;
    tail.offset = own.offset;
  }

 private:
  ops::BatchNormState running() const { return {buffers()[0].tensor, buffers()[1].tensor}; }

  BatchNormOptions options_;
};

}  // namespace

Made make_batch_norm(Attributes& attributes, Shapes inputs) {
  return std::make_unique<BatchNorm>(attributes, inputs[0]);
}

}  // namespace espalier::layers
